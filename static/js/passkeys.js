/* Passkeys: asks the browser to make or to use one, and sends what it answers as an ordinary form.
   A form says what to do: data-passkey is "get" or "create", data-options holds the options, or data-options-from the
   address that gives them. Without this file such forms stay hidden, and every other way in works. */
"use strict";

(() => {
  const bytes = (text) => {
    const padded = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(window.atob(padded), (character) => character.charCodeAt(0));
  };

  const text = (buffer) => {
    const characters = [...new Uint8Array(buffer)].map((byte) => String.fromCharCode(byte));
    return window.btoa(characters.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const named = (descriptors) => (descriptors || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const toGet = ({ publicKey }) => ({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      allowCredentials: named(publicKey.allowCredentials),
    },
  });

  const toCreate = ({ publicKey }, alone) => ({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      user: { ...publicKey.user, id: bytes(publicKey.user.id) },
      excludeCredentials: named(publicKey.excludeCredentials),
      authenticatorSelection: {
        ...publicKey.authenticatorSelection,
        residentKey: alone ? "required" : "discouraged",
        requireResidentKey: alone,
        userVerification: alone ? "required" : "preferred",
      },
    },
  });

  const written = (credential) => {
    const { response } = credential;
    const parts = { clientDataJSON: text(response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: parts,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  };

  const options = async (form) => {
    if (form.dataset.options) return JSON.parse(form.dataset.options);
    const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return (await answer.json()).request_options;
  };

  const ask = async (form) => {
    const wanted = await options(form);
    if (form.dataset.passkey === "get") return navigator.credentials.get(toGet(wanted));
    const alone = form.querySelector("[name=passwordless]");
    return navigator.credentials.create(toCreate(wanted, Boolean(alone?.checked)));
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-passkey]");
    if (!form) return;
    event.preventDefault();
    const note = form.querySelector("[data-trouble]");
    const button = form.querySelector("[type=submit]");
    note.hidden = true;
    button.disabled = true;
    try {
      form.querySelector("[name=credential]").value = written(await ask(form));
      form.submit();
    } catch {
      button.disabled = false;
      note.hidden = false;
      note.focus();
    }
  });
})();
