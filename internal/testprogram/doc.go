// Package testprogram builds programs that tests run, and that no package of this
// module imports.
//
//	embedded go.mod, go.sum ── go build ──▶ the user's cache: fairlead/NAME/NAME-VERSION
//
// A program is pinned by a module of its own, which its owner embeds, under names that
// are not go.mod and go.sum, because those could not be embedded. It is built once for
// all clones, and shipped with nothing. Of several processes that want it at once one
// builds it. All methods may be called concurrently.
package testprogram
