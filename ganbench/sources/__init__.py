"""Every input as samples: data sets, image files, arrays, checkpoints, exported programs, callables and FID statistics."""
