// Command image writes the image of Fairlead as an OCI archive, without Docker or a network
// beyond Go modules:
//
//	go build per platform ─┐
//	licences, SPDX ────────┼▶ one layer ──▶ config, manifest ──▶ index ──▶ fairlead-VERSION.oci.tar
//	certificates (Mozilla) ┘
//
//	go run ./image -version v0.2.0 -revision COMMIT -out ../bin/fairlead-v0.2.0.oci.tar
//
// It holds what deploy/Dockerfile makes an image of, file by file; a test compares them. The
// certificate authorities are those of golang.org/x/crypto/x509roots, because they are
// pinned by go.mod; those that hold under conditions only, which no file can tell, are left
// out.
//
// The same commit, version and Go make the same bytes: paths are trimmed, no time is that
// of the build (SOURCE_DATE_EPOCH is, or that of the commit), and no order is by chance.
//
// `skopeo copy --all oci-archive:FILE docker://...`, `podman load`, `docker load` (25 and
// later) and `ctr images import` take such a file. It pushes nothing, and signs nothing.
package main
