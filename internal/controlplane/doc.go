// Package controlplane finds the kube-apiserver and the etcd that tests, demo
// and benchmarks run against, and builds them where there are none.
//
//	KUBEBUILDER_ASSETS ── holds both? ─────────────────────────────────▶ its path
//	        │ no
//	user cache ── fairlead/controlplane/kube-<v>_etcd-<v>? ────────────▶ its path
//	        │ no
//	user cache, setup-envtest's folder ── same minor version? ─────────▶ its path     Find stops here
//	        │ no                                                       ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
//	download ── index answers at once, release of the same minor? ─────▶ its path     Assets goes on
//	        │ no
//	build from the embedded module that pins both versions ────────────▶ its path
//
// Guarantees:
//   - The versions stand in one place: servers/servers.mod, which is embedded. So the
//     package works outside of the repository too.
//   - Find neither builds nor downloads nor waits. A test calls Find.
//   - Assets leaves a binary under its final name only when it is whole, and
//     of several processes that want it at once one builds and the rest wait.
//   - A download keeps its own version's name. It is used only if its minor
//     version is the pinned one, and only while there is no pinned build.
//   - A host that cannot download loses at most a few seconds, once.
//
// All functions may be called concurrently, from several processes too.
//
// The package does not start the servers; fairleadtest does. Old versions
// in the cache are left alone.
package controlplane
