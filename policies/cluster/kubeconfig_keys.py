"""Which keys of a kubeconfig are read, and why the others that kubectl knows are not."""

TOP = frozenset(
    {
        "apiVersion",
        "kind",
        "clusters",
        "users",
        "contexts",
        "current-context",
        "preferences",
        "extensions",
    }
)
CLUSTER = frozenset(
    {
        "server",
        "certificate-authority-data",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "disable-compression",
        "extensions",
    }
)
USER = frozenset({"token", "client-certificate-data", "client-key-data", "extensions"})
CONTEXT = frozenset({"cluster", "user", "namespace", "extensions"})

_PROGRAM = (
    "would run a program on the server that runs secprof; paste a `token` instead, for example from"
    " `kubectl create token`"
)
_FILE = "names a file on the server that runs secprof; paste its contents as `{}` instead"
_LOGIN = (
    "is a password login, which Kubernetes no longer has; paste a `token` instead, for example from"
    " `kubectl create token`"
)
_OTHER_NAME = (
    "would act in another name; give the account of this credential the rights that secprof needs"
)

REFUSED_USER = {
    "exec": _PROGRAM,
    "auth-provider": _PROGRAM,
    "tokenFile": _FILE.format("token"),
    "client-certificate": _FILE.format("client-certificate-data"),
    "client-key": _FILE.format("client-key-data"),
    "username": _LOGIN,
    "password": _LOGIN,
    "as": _OTHER_NAME,
    "as-uid": _OTHER_NAME,
    "as-groups": _OTHER_NAME,
    "as-user-extra": _OTHER_NAME,
}
REFUSED_CLUSTER = {
    "certificate-authority": _FILE.format("certificate-authority-data"),
    "proxy-url": "would send everything through another server; remove it, secprof connects directly",
}
