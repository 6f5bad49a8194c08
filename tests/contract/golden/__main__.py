"""Writes the golden files anew: `python -m tests.contract.golden`. Read the difference before it is committed."""

from tests.contract.golden import golden_files

for golden in golden_files():
    golden.path.write_bytes(golden.content)
