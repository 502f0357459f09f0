package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
)

// options are what the flags say.
type options struct {
	seed      uint64
	changes   int           // writes, of all members together
	faults    int           // that begin during the writes
	duration  time.Duration // that the writes are spread over
	members   int
	sinks     int
	replicas  int
	filters   bool   // the sinks select for themselves
	sink      string // a destination beside these; empty: none
	lock      string // of the replicas
	ledger    string // theirs: ledgerShared or ledgerMemory
	hostile   bool   // one more member, which lies
	keepFiles bool

	leaseDuration time.Duration // of the lock
}

// The values of --ledger.
const (
	ledgerShared = "shared" // of all replicas
	ledgerMemory = "memory" // of each by itself
)

const intro = `Breaks everything around Fairlead, and Fairlead itself, while objects change in real
API servers. At the end each sink's file is replayed and compared with what the API
servers hold. The last line is JSON; the exit code is 1 unless nothing is missing, no
ghost is left (the sink has it, the server does not), and nothing came out of order:
older than what came before it in the same run of Fairlead, or than what the ledger
held as accepted when Fairlead was started again. It is also 1 if a change was
delivered before the ledger had its UID, skipped by a resume point, replayed although
nobody asked for that, or sent again after a clean stop. The same is asked of two more
consumers, and all of it for each sink:

  by_id                 one that drops for ever what has a source and an id that it
                        had; out of order is what it drops although it is newer than
                        what it has
  by_number             one that keeps of each name what has the highest term and
                        sequence, and gets the events in any order; out of order are
                        numbers that go back, or stand for two things

Of the rest there are sums over all sinks:

  duplicates            events that the file holds more than once: after a kill, and
                        after a sink that took them and failed to say so
  lists_after_restart   snapshots taken by a restarted Fairlead although the watch
                        could have been resumed
  missing_intents       objects in the sink, when Fairlead was killed, that the ledger
                        did not know of: their deletion could have been lost
  skipped               changes that the sink did not have when Fairlead was killed, although
                        the ledger's resume point had passed them
  replayed              states and deletions delivered again although the ledger had them
                        stored as accepted; what an operator asked for does not count
  resent                events delivered again after a clean stop
  old_terms             events of an earlier term that came after one of a later, with several
                        replicas; there must be none
  late_writes           writes of a leader that was stopped which arrived after those of the
                        next one, and were refused, with --ledger memory; and of the
                        destination, if it compares terms, held connections with some
  failover_seconds      for how long nobody delivered, by what became of the leader
  refused               times that the sink refused a state for good; all such dead
                        letters are sent again before the end
  hostile_events        events of the member that lies, which count nowhere else
  destination           what the destination of --sink holds, read back: the three zeros, for
                        a consumer that orders by term and sequence and, where it holds what
                        happened, for one that drops what it had; and its dead_letters, of
                        which there must be none; its failovers, and how many of these were
                        in the middle of a request (failovers_amid)
  settings              restarts with other sinks, or another selection
  error                 why the run ended before the check, whose numbers mean nothing then

The faults of the destination of --sink, which come on top of --faults:

`

const usage = `
Usage: fairlead-chaos [flags]
       make chaos ARGS="--seed 7 --changes 20000"

`

// destinationHelp says in some lines which faults each destination has.
func destinationHelp() string {
	names := func(of []kind) string {
		var all []string
		for _, k := range of {
			all = append(all, strings.TrimPrefix(string(k), theDestination+"-"))
		}
		return strings.Join(all, ", ")
	}
	text := fmt.Sprintf("  %-21s %s\n", "all", names(lineKinds))
	for _, name := range destinationNames() {
		k := destinations[name]
		text += fmt.Sprintf("  %-21s %s", name, names(k.faults))
		if len(k.seldom) > 0 {
			text += fmt.Sprintf("; with --duration %v or more: %s", seldomFrom, names(k.seldom))
		}
		text += "\n"
	}
	return text
}

// newCommand returns the command line of chaos. play runs it.
func newCommand(play func(context.Context, *options, io.Writer) error) *cobra.Command {
	o := &options{}
	return lab.NewCommand("fairlead-chaos", intro+destinationHelp()+usage, o, func(ctx context.Context, out io.Writer) error { return play(ctx, o, out) })
}

// AddFlags implements lab.Options.
func (o *options) AddFlags(f *pflag.FlagSet) {
	f.Uint64Var(&o.seed, "seed", 1, "decides what is written and what fails when")
	f.IntVar(&o.changes, "changes", 5000, "writes, over all members")
	f.IntVar(&o.faults, "faults", 40, fmt.Sprintf("faults that begin during the writes; with at least %d there is one of each kind; those of a destination come on top", len(kinds)))
	f.DurationVar(&o.duration, "duration", 2*time.Minute, "what the writes are spread over; what a fault holds up comes on top")
	f.IntVar(&o.members, "members", 2, "clusters in the fleet")
	f.IntVar(&o.sinks, "sinks", 1, "sinks, each with faults of its own; with several, restarts also take some out or put them back, and change what is selected")
	f.BoolVar(&o.filters, "filters", false, "all sinks but the first select for themselves, by an expression and by the fields that change, and in another form; needs --sinks")
	f.StringVar(&o.sink, "sink", "", "a real destination beside these, with faults of its own, which is read back in the end: "+strings.Join(destinationNames(), ", "))
	f.IntVar(&o.replicas, "replicas", 1, "processes of which one delivers; with several, half of the faults are of the leader. Not with --sinks: the checker has to know the setting of each event, and processes with different ones would take turns")
	f.StringVar(&o.lock, "lock", "lease", "what they elect the leader by: "+strings.Join(lockNames(), ", "))
	f.StringVar(&o.ledger, "ledger", ledgerShared, "of the replicas: "+ledgerShared+", a file of them all, for which a new leader waits; or "+ledgerMemory+", none that outlives a process: then the sink compares terms")
	f.DurationVar(&o.leaseDuration, "lease-duration", 4*time.Second, "for how long the lock counts; whole seconds")
	f.BoolVar(&o.hostile, "hostile", true, "one more member, which does what it can to harm the others")
	f.BoolVar(&o.keepFiles, "keep-files", false, "keep the sinks' files, the ledgers and the logs; after a failure they are kept anyway")
}

// Check implements lab.Options.
func (o *options) Check() error {
	var errs []error
	if o.members < 1 {
		errs = append(errs, fmt.Errorf("--members: %d is less than 1", o.members))
	}
	if o.sinks < 1 {
		errs = append(errs, fmt.Errorf("--sinks: %d is less than 1", o.sinks))
	}
	if o.filters && o.sinks < 2 {
		errs = append(errs, errors.New("--filters: the first sink has none; give --sinks 4"))
	}
	if o.replicas < 1 {
		errs = append(errs, fmt.Errorf("--replicas: %d is less than 1", o.replicas))
	}
	if o.replicas > 1 && o.sinks > 1 {
		errs = append(errs, errors.New("--replicas: with several there is one sink that is a file, since processes with different settings would take turns; leave out --sinks"))
	}
	if o.sink != "" && destinations[o.sink].start == nil {
		errs = append(errs, fmt.Errorf("--sink: there is no %q, but %s", o.sink, strings.Join(destinationNames(), ", ")))
	}
	if lockServers[o.lock] == nil {
		errs = append(errs, fmt.Errorf("--lock: there is no %q, but %s", o.lock, strings.Join(lockNames(), ", ")))
	}
	if least := leastMembers(o.lock); o.members < least && o.replicas > 1 {
		errs = append(errs, fmt.Errorf("--members: %d are too few to elect by %s; give at least %d", o.members, o.lock, least))
	}
	if o.ledger != ledgerShared && o.ledger != ledgerMemory {
		errs = append(errs, fmt.Errorf("--ledger: there is no %q, but %s and %s", o.ledger, ledgerShared, ledgerMemory))
	}
	if o.ledger == ledgerMemory && o.replicas == 1 {
		errs = append(errs, errors.New("--ledger: one process that is killed needs its ledger; give --replicas 2"))
	}
	if o.leaseDuration < 2*time.Second || o.leaseDuration%time.Second != 0 {
		errs = append(errs, fmt.Errorf("--lease-duration: %v is no whole number of seconds from 2 on", o.leaseDuration))
	}
	if o.faults < 0 {
		errs = append(errs, fmt.Errorf("--faults: %d is negative", o.faults))
	}
	// A fault is to begin and end with writes between.
	if least := max(1, 4*o.faults); o.changes < least {
		errs = append(errs, fmt.Errorf("--changes: %d is too few for %d faults; give at least %d", o.changes, o.faults, least))
	}
	if o.duration <= 0 {
		errs = append(errs, fmt.Errorf("--duration: %v is not positive", o.duration))
	}
	return errors.Join(errs...)
}
