"""OCI images: content-addressed blobs, manifests, layers."""
