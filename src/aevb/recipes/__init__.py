"""Named recipes, `aevb train --config NAME`."""
