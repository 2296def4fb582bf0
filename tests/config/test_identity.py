"""Which configurations are one run, and which repeat one recipe."""

from snnbench.config import identity
from snnbench.config.compose import compose


def test_the_reference_path_is_a_run_of_its_own_and_the_same_recipe():
    fused, reference = (compose([f"kernels={path}"]) for path in ("auto", "reference"))
    assert fused.identity.folder != reference.identity.folder
    assert identity.recipe_hash(fused.config) == identity.recipe_hash(reference.config)
    assert identity.deviations(reference.config, fused.config) == {}
