"""Image files, in folders and archives, as uint8 tensors: listed, scanned and decoded."""
