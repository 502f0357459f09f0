// Package collectors registers metrics: all of one owner, or none.
//
//	Register(registry, a, b, c) ── b is there already ──▶ an error, and a is taken out again
//
// So an owner that could not be made leaves nothing behind, and the next attempt to make it
// does not fail because of the one before. The functions may be called concurrently, as far as
// the registry may.
package collectors
