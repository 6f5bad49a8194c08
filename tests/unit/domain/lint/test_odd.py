"""The lint never fails on what people and clusters hold, however odd, and says the same of it each time."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policies.domain.lint import Policy, lint, read_documents, recognise, suggest
from policies.domain.lint.reading import walk
from tests.unit.domain.lint.cases import CASES, kyverno

FACTS = kyverno(1, 17, 0)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        ["", "Pod", "Enforce", "{{ a || '' }}", "oldObject == null", "x?", "(a)", "="]
    )
)
ODD = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "kinds", "any", "name", "template?", "(a)", "", "validate"])
            | st.text(max_size=3),
            below,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MANIFESTS = st.sampled_from([case.bad for case in CASES])


def replaced(manifest: Any, at: tuple[str | int, ...], value: Any) -> Any:
    if not at:
        return value
    changed = copy.copy(manifest)
    changed[at[0]] = replaced(manifest[at[0]], at[1:], value)
    return changed


@given(MANIFESTS, st.data(), ODD)
@settings(max_examples=600, deadline=None)
def test_lint_any_field_of_any_type_never_fails(
    manifest: Any, data: st.DataObject, odd: Any
) -> None:
    places = [at for at, _value in walk(manifest) if at]
    changed = replaced(manifest, data.draw(st.sampled_from(places)), odd)

    findings = lint(changed, FACTS)
    policy = Policy(changed)

    assert findings == lint(copy.deepcopy(changed), FACTS)
    suggest(policy, recognise(policy), FACTS)


@given(ODD, ODD, st.sampled_from(["kyverno.io/v1", "policies.kyverno.io/v1", "x"]))
@settings(max_examples=300, deadline=None)
def test_lint_odd_spec_never_fails(spec: Any, metadata: Any, api_version: str) -> None:
    for kind in ("ClusterPolicy", "ValidatingPolicy", "PolicyException"):
        lint({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})


@given(st.text(alphabet=st.sampled_from("ab:- \n\t[]{}'\"|>*&!#?%,"), max_size=60))
@settings(max_examples=600, deadline=None)
def test_read_documents_any_text_never_fails(text: str) -> None:
    read = read_documents(text)

    for document in read.documents:
        lint(document.manifest)
