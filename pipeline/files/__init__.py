"""Files and folders, here and in stores: their content, identity and wholeness."""
