"""How the tests compile a table."""

import subprocess
from pathlib import Path


def overfull(table: Path, folder: Path) -> list[str]:
    """What pdfLaTeX's log says of errors and of boxes wider than their column, for the table in a plain article."""
    packages = "array,booktabs,longtable,pdflscape,textcomp"
    head = f"\\documentclass{{article}}\n\\usepackage{{{packages}}}\n\\begin{{document}}\n"
    (folder / "page.tex").write_text(f"{head}\\input{{{table}}}\n\\end{{document}}\n")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "page.tex"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=60)
    log = (folder / "page.log").read_text(encoding="latin-1")
    assert "Output written on page.pdf" in log
    return [line for line in log.splitlines() if line.startswith(("!", "Overfull \\hbox"))]
