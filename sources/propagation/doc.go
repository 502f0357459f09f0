// Package propagation helps a controller that makes objects in the members of a fleet
// from an object in the hub.
//
//	hub: source ──▶ controller, in its term ── ApplyIfNewer ──▶ member: copy, with the Version it was made of
//	        ▲                                                        │
//	        └───────────── status: a ClusterStatus per member ◀──────┘
//
// Such a controller has several ways to write what is out of date: a cache that is
// behind, a process that was stopped in the middle of a write while another one took
// over, a request that waited for a member that was down. A copy therefore bears the
// [Version] of the source that it was made of, in the annotation [Annotation], and
// [ApplyIfNewer] and [DeleteIfNewer] refuse to replace what is newer, by compare-and-swap
// on the copy's resourceVersion. The refusal is a Conflict (409) that is [ErrOlder]. It is
// there to be told, and not to be fought: whoever gets it looks at the source again.
//
// # Guarantees
//
//   - A write succeeds only on the state of the copy that it was decided on.
//   - A copy is never replaced by one of an older version of the source, nor by a
//     process of an earlier term.
//   - An object that the owner has not applied is left alone: [ErrForeign].
//   - A field that somebody else has applied is left alone: a Conflict of the API
//     server's. A field that was merely updated, as by kubectl edit, is taken back.
//
// A copy that was deleted bears no version any more. A create that was decided on before
// makes it again, out of date or for a source that is gone. So watch the copies, and
// delete those without a source.
//
// # Terms
//
// Terms are comparable only among the tokens of one lock. A controller that changes to
// another lock, or gives leader election up, may get lower ones: then its writes are
// refused. Remove the annotation from the copies, or choose a lock with higher tokens.
//
// What a member says about a copy is trusted for that copy only. A member that
// damages the annotation harms its own copy.
//
// # Concurrency
//
// The functions may be called from several goroutines and processes at once.
//
// # Usage
//
//	err := propagation.ApplyIfNewer(ctx, member, want, &corev1.ConfigMap{}, propagation.Options{
//		Owner:   "my-controller/" + hubUID,
//		Version: propagation.VersionOf(source, lock.Token()),
//	})
//	switch {
//	case errors.Is(err, propagation.ErrOlder): // we are behind: look at the source again
//	case errors.Is(err, propagation.ErrForeign): // tell it in the status
//	case apierrors.IsConflict(err): // the copy has changed meanwhile, or somebody has applied a field
//	}
//
// The Version's term is the fencing token of a lock of package locks. 0 is for a
// controller that always runs alone.
package propagation
