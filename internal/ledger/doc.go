// Package ledger remembers, per stream and sink, what the sink has accepted and
// from where a watch can resume with nothing lost.
//
//	stream ── Observe ──▶ cursor ◀── Begin, Ack ── workers
//	          Seen          │
//	          BeginSnapshot ▼
//	          EndSnapshot  resume point, tombstones
//
// A route is one sink with its queue and workers. It has a cursor for each stream. The
// stream reports every state that it observes to the cursor; the workers report every
// change that they hand over, and every one that the sink accepts. From that the
// cursor decides which states are repeats, which deletions no watch has reported,
// which UIDs must be deleted at the sink, and the oldest resourceVersion that is still
// needed.
//
// Before a sink first receives a UID, the store has an intent: a record that the sink
// may hold it. A UID that a sink may hold and has not acked is an unacked UID.
//
// A name has at most GhostsAtOnce of these, and few more after restarts: while a sink may
// hold so many, their deletions go first, and no further UID is handed over.
//
// Observations are numbered, across restarts: a change is not handed over after a
// newer one of its object. A cursor has one owner, who got the last handle from
// Claim. What was accepted is due again after a replay (RaiseDue), or in another
// form (SetForm), and the cursor knows of each object whether that is done. When the
// same states are delivered again on purpose although something else was delivered in
// between, the generation is higher.
//
// A stream may select among the states that it reads (State). What is outside of its
// selection is not recorded; if the sink may hold the object, that is a deletion. What
// has the digest of the acked state is no change, and leaves the acked state as it is.
//
// Acked deletions are remembered until the stored resume point has passed them. When
// there are more of them than known objects, and more than 4,096, the resume point is
// given up instead: this process watches on, and another one begins with a snapshot.
//
// What nobody follows any more is kept for the retention (Watched), and then its
// deletions are delivered (Unwatched, Retire). From the first of these tombstones on
// everything is due, in another generation, should it be followed again.
//
// A cluster may have so much in the ledger and no more (Quota). What is beyond is
// refused and leaves nothing: the cursor is Partial, and has no resume point until
// a snapshot has refused nothing.
//
// Everything is stored in one transaction, as long as the store takes it. When it
// does not, it is given halves, down to the part of one cluster: the cursors of one cluster
// are a shard. What it refuses is given to it apart from then on. Nothing in one shard
// depends on another, each has its own status (see Clusters), and one whose part is not
// stored holds up its own delivery and its own Flush alone. The store is taken to fail as a whole when it takes nothing of any.
// That is so of a store that refuses. One that does not answer holds up what waits for it
// of all clusters, as there is one transaction at a time: the store that there is, a file,
// has no other.
//
// Each transaction is refused if the store holds a later term than that of the process
// (ErrOldTerm), which the store checks in the transaction itself. What a process knows
// was read after it took its term, unless the store is its alone. So also over a store
// that several processes can write to, one that was stopped, and goes on after another
// one has begun, changes nothing; no lock and no clock is needed for that.
//
// Beside cursors, a ledger keeps what operators have told the program (Keep): records that
// whoever delivers next has before it begins.
//
// One stream uses a cursor at a time; any number of workers may. Cursors share
// no lock with each other. Claims of one cluster wait for each other, and for what is being
// stored of that cluster to be encoded; those of others wait for neither.
package ledger
