package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// kind is what a fault does.
type kind string

// The faults of the program.
const (
	kill       kind = "kill"             // kill -9, and down for a while
	terminate  kind = "terminate"        // SIGTERM, and started again
	killBehind kind = "kill-behind"      // kill -9 when some objects have been refused for a while, and others not
	outage     kind = "outage"           // kill -9, and etcd compacted everywhere before it is back
	killBurst  kind = "kill-after-stall" // kill -9 when it has taken all that had gathered while it stalled
	killBefore kind = "kill-before-sink" // kill -9 when the sink is about to take a batch
	killMiddle kind = "kill-in-sink"     // kill -9 when it has taken half, and half a line
	killAfter  kind = "kill-after-sink"  // kill -9 when it has taken all and not said so
)

// The faults of the sink.
const (
	sinkFails   kind = "sink-fails"
	sinkStalls  kind = "sink-stalls"
	sinkHalf    kind = "sink-half"    // takes half a batch, and fails
	sinkPartial kind = "sink-partial" // takes some objects of a batch, and says so
	sinkLost    kind = "sink-lost"    // takes a batch, and fails to say so
	sinkRefuses kind = "sink-refuses" // some states for good: they are dead letters
)

// Those that only the sinks beside the first one have.
const (
	sinkSlow  kind = "sink-slow"
	sinkShuns kind = "sink-shuns" // refuses all of one member, each change by itself or whole batches, until the end
	sinkHangs kind = "sink-hangs" // until all others hold what they should
)

// furtherKinds are the faults of each of these that begin and end.
var furtherKinds = []kind{sinkFails, sinkStalls, sinkHalf, sinkPartial, sinkLost, sinkSlow}

// The faults of a member and the line to it.
const (
	cut       kind = "cut"
	blackHole kind = "black-hole"
	slow      kind = "slow"
	restart   kind = "restart" // of the control plane, with a while between
	crash     kind = "crash"   // kill -9 of the control plane, and started again
	compact   kind = "compact" // cut, and what happened meanwhile is gone when it ends
)

// What the operator does. None of it is a fault, but it must do no harm in the
// middle of them.
const (
	leave       kind = "leave"             // a member leaves the fleet, and is back before it is forgotten
	renew       kind = "renew-credentials" // of a member
	deny        kind = "deny-credentials"  // a member does not accept them, or they may do nothing, for a while
	replayAll   kind = "replay"            // of a member
	retryLetter kind = "dead-letter-retry" // of all that is in the file
)

// kinds are all of them.
var kinds = []kind{
	kill, terminate, killBehind, killBurst, outage, killBefore, killMiddle, killAfter,
	sinkFails, sinkStalls, sinkHalf, sinkPartial, sinkLost, sinkRefuses,
	cut, blackHole, slow, restart, crash, compact,
	leave, renew, deny, replayAll, retryLetter,
}

// What a fault can be of, beside a member.
const (
	theProgram  = "program"
	theSink     = "sink" // the first one
	theOperator = "operator"
)

// fault is one entry of the plan.
type fault struct {
	Kind   kind   `json:"kind"`
	Target string `json:"target"` // theProgram, theOperator, a sink's or a member's name
	At     int    `json:"at"`     // begins when so many writes are done
	Until  int    `json:"until"`  // ends when so many are
	// Dice is for what the kind leaves open.
	Dice uint64 `json:"dice"`
}

func (f fault) String() string {
	return fmt.Sprintf("%s of %s, from write %d to %d", f.Kind, f.Target, f.At, f.Until)
}

// newPlan spreads faults over the writes, in the order in which they begin. The
// kinds take turns, in an order that changes with each round.
func newPlan(seed uint64, changes, faults int, members []string) []fault {
	random := rand.New(rand.NewPCG(seed, 1))
	spacing := float64(changes) / float64(faults+2) // some writes are left after the last
	free := map[string]int{}                        // when the last fault of a target ends
	var plan []fault
	var round []kind
	for i := range faults {
		if len(round) == 0 {
			round = slices.Clone(kinds)
			random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		f := fault{Kind: round[0], Dice: random.Uint64()}
		round = round[1:]
		switch f.Kind {
		case kill, terminate, killBehind, killBurst, outage, killBefore, killMiddle, killAfter:
			f.Target = theProgram
		case sinkFails, sinkStalls, sinkHalf, sinkPartial, sinkLost, sinkRefuses:
			f.Target = theSink
		case leave, renew, deny, replayAll, retryLetter:
			f.Target = theOperator
		default:
			f.Target = members[random.IntN(len(members))]
		}
		f.At = int(spacing * (float64(i) + 0.5 + random.Float64()))
		f.At = max(f.At, free[f.Target])
		f.Until = f.At + int(spacing*f.Kind.lasts()*(0.5+random.Float64()))
		free[f.Target] = f.Until + 1
		plan = append(plan, f)
	}
	slices.SortStableFunc(plan, func(a, b fault) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// newSinkPlan is the plan for the sinks beside the first one, which have no part in
// newPlan: what a seed means there does not depend on how many they are.
func newSinkPlan(seed uint64, changes int, sinks, members []string) []fault {
	var plan []fault
	for i, name := range sinks {
		random := rand.New(rand.NewPCG(seed, 10+uint64(i)))
		// One of them shuns a member, the next one hangs in the end.
		last := fault{Kind: sinkHangs, Target: name, At: changes * 9 / 10, Until: changes, Dice: random.Uint64()}
		if i%2 == 0 {
			last.Kind = sinkShuns
			last.At = changes / 5 * (1 + random.IntN(3))
		}
		round := slices.Clone(furtherKinds)
		random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		spacing := float64(changes) * 0.85 / float64(len(round))
		for n, k := range round {
			at := int(spacing * (float64(n) + random.Float64()/2))
			plan = append(plan, fault{Kind: k, Target: name, At: at, Until: at + int(spacing*(0.2+0.3*random.Float64())), Dice: random.Uint64()})
		}
		plan = append(plan, last)
	}
	slices.SortStableFunc(plan, func(a, b fault) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// lasts is how long the fault takes on average, in distances between faults.
func (k kind) lasts() float64 {
	switch k {
	case terminate, crash, renew:
		return 0 // as long as it takes
	case kill, restart:
		return 0.5
	case blackHole, killBehind:
		return 2 // has to be noticed first; the ledger to be stored
	case sinkRefuses:
		return 2 // where a sink takes nothing, it refuses nothing for good
	case leave, deny:
		return 3 // the file is read every two seconds
	}
	return 1
}
