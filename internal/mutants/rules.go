package main

import "slices"

// The rules of routes, as their model calls them.
const (
	routeSkips       = "routes: skip what a route has seen when it joins a stream"
	routePosition    = "routes: leave a shared stream with the own position"
	routeSnapshot    = "routes: a route that leaves in a snapshot begins its own"
	routeBegun       = "routes: an ack counts for a replay only if begun after it"
	routeStored      = "routes: a replay and a new selection are stored before they are confirmed"
	routeLeaves      = "routes: what leaves the selection is a deletion"
	routeKeeps       = "routes: a route that is taken out keeps its cursor"
	routeGivesWay    = "routes: a refused change gives way to a newer one"
	routeVersioned   = "routes: the id of a deletion has the deletion's version"
	routeGeneration  = "routes: another selection raises the generation in ids"
	routeNumbered    = "routes: numbers go on above those of the process before"
	routeRefuses     = "routes: what is superseded is not handed over"
	routeToldAnew    = "routes: what was told to be gone comes back in another generation"
	routeOdd         = "routes: a deletion without a version of its own is skipped by nobody, and joined by nobody"
	routeAnew        = "routes: another selection begins with a snapshot"
	routeKilled      = "routes: a kill raises the generation in ids"
	routeFirst       = "routes: the generation is stored before it is used"
	routeMayHaveTold = "routes: what another selection may have deleted is due"
	routeNewest      = "routes: a deletion of another UID is not sent again by itself"
)

// modelledRoutes are those that the model of routes has. The property tests have the others.
var modelledRoutes = []string{
	routeSkips, routePosition, routeSnapshot, routeBegun, routeStored,
	routeLeaves, routeKeeps, routeGivesWay, routeVersioned, routeGeneration,
}

// foundRoutes are those that came in when the property tests had found histories that go wrong.
var foundRoutes = []string{
	routeNumbered, routeRefuses, routeToldAnew, routeOdd, routeAnew, routeKilled, routeFirst, routeMayHaveTold,
	routeNewest,
}

// The rules of the ledger. Its model switches five of them off: those of what is stale, of the
// sweep, of notes, of UIDs first and of deletions that are remembered.
const (
	ledgerDuplicate = "ledger: what is acked already is a duplicate"
	ledgerStale     = "ledger: what a watch shows and is not newer than the acked state is stale"
	ledgerResume    = "ledger: the resume point is before the oldest unacked change"
	ledgerSnapshot  = "ledger: there is no resume point before a snapshot is over"
	ledgerSweep     = "ledger: what a snapshot does not hold gets a tombstone"
	ledgerTogether  = "ledger: the resume point is stored together with all acks"
	ledgerNote      = "ledger: a UID is stored before a sink gets it"
	ledgerUIDFirst  = "ledger: other UIDs of a name are deleted first"
	ledgerFew       = "ledger: no further UID of a name is handed over while a sink may hold many"
	ledgerHeldBack  = "ledger: what has waited for the deletions of many UIDs revives none of them"
	ledgerAckedUID  = "ledger: an acked state behind deletions of other UIDs is no duplicate until it is acked again"
	ledgerRemembers = "ledger: an acked deletion is remembered until the resume point has passed it"
)

var ledgerRules = []string{
	ledgerDuplicate, ledgerStale, ledgerResume, ledgerSnapshot, ledgerSweep, ledgerTogether,
	ledgerNote, ledgerUIDFirst, ledgerFew, ledgerHeldBack, ledgerAckedUID, ledgerRemembers,
}

// The rules of a lock by a majority, as far as their model can switch them off.
const (
	quorumWait     = "quorum: a vote is taken when it was not seen to change for the lease duration"
	quorumBegan    = "quorum: a renewal counts from its request on"
	quorumCount    = "quorum: a write of unknown outcome is no vote"
	quorumMajority = "quorum: a majority holds the record"
	quorumClock    = "quorum: times that others have written decide nothing"
	quorumRestore  = "quorum: a voter that has lost what it knew does not count"
)

var quorumRules = []string{quorumWait, quorumBegan, quorumCount, quorumMajority, quorumClock, quorumRestore}

// rules are all of them, in the order in which they are shown.
func rules() []string {
	return slices.Concat(modelledRoutes, foundRoutes, moveRules, ledgerRules, quorumRules)
}

// mutants are all of them.
func mutants() []mutant {
	return slices.Concat(routeMutants(), foundMutants(), moveMutants(), ledgerMutants(), quorumMutants())
}
