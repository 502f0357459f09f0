// Package connection keeps the connection to one member of the fleet: its
// clients, its identity, whether it answers, and when to try again.
//
// This package is part of Fairlead's engine. Other modules can import it, but its API
// may change at any time.
//
//	            ┌───────────────────────── Connection ─────────────────────────┐
//	SetREST ──▶ │ connecting ──probe──▶ live ◀──────────────▶ stale            │ ──▶ Status
//	Pause       │     ▲   │              │ ▲   SetStale, or a    │             │     metrics
//	Resume      │     │   │ failed       │ │   call failed and   │ probe       │
//	            │     │   ▼              │ │   the probe runs    │ failed      │
//	            │     │ backing off ◀────┼─┼─────────────────────┘             │
//	            │     │ waiting (401) ───┼─┘ half-open probe turned good       │
//	            └─────┴──────────────────┼──────────────────────────────────────┘
//	                   Acquire ◀─────────┘──▶ Session ──▶ streams, cache
//	                   Report  ◀──────────────────────────┘
//
// Streams take a [member.Session] with Acquire, which blocks for as long as
// the member is not to be dialed, and tell with Report how their calls went.
// When the server itself does not answer, one probe dials for all of them:
// a hundred reports of the same outage make one probe, and while it runs
// nobody else dials. The probe reads the UID of the kube-system namespace,
// which is the identity of the cluster. It is another cluster than the one that
// is known (Options.Known) on evidence only, see judge: another UID, or, where
// none can be read, that what is known of it is not there. Another address or CA
// is none, nor is a refusal. A digest of URL and CA names a cluster whose UID has
// never been read. Without any evidence the connection waits, and another
// cluster gets the name after Options.Hold.
//
// A member that does not answer is asked whether it does, at most every
// ReachInterval, by reachability probes (see reach): a request without credentials
// is enough to tell. The first answer after the silence makes a probe at once, also
// in the place of one that hangs, which may wait for what was lost. Those that
// answer and refuse, live members and paused ones are not asked.
//
// A stream that falls silent is a reason for a probe, too: until it is answered the
// member is stale. One that answers is live, whatever a single watch hears.
//
// A session survives an outage. It ends, with Changed closed, when the member
// gets another configuration, turns out to be another cluster, is paused or
// leaves. Its open requests are cut a few seconds later.
//
// Guarantees: failed probes are spaced by exponential backoff with full
// jitter, at most ReconnectMax apart (longer only if the server asks for it
// with Retry-After, or by the time between two reachability probes, so that a silent
// member is not dialed twice in that); new credentials or a new address are tried at once; a
// report never makes more than one probe per ReconnectMin, and that does not dial before
// the member's turn in the fleet's line, see ReconnectLimiter. No transport,
// socket or goroutine outlives Run. Tokens, keys and certificates never reach
// a log, an error or a Status, even if the member sends them back (see redactorOf
// for the disguises that are known). What is read whole of a member's answers is
// bounded by what it takes in memory; what is not is for the user to read in
// pieces (see answers). What something in front of the API server answers in its
// place counts as an answer of 503.
//
// All methods of a Connection may be called concurrently with Run and with
// each other; none but Run and Acquire blocks.
//
// A credential plugin that hangs costs its member one goroutine and one process,
// however often it is tried, and holds up neither Run nor a request whose ctx
// ends. The process is ended when the member gets another plugin, or leaves. What
// a plugin writes to its standard error is logged, without secrets as far as they
// are known, and the last line of it stands in the error.
//
// It does not: read resources, retry the calls of its users, limit how many
// of them run at once, or keep any state across a restart of the program.
package connection
