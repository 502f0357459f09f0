package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sinks/deadletter"
)

// stopGrace is longer than the program may drain and shut down for.
const stopGrace = 60 * time.Second

// program is Fairlead, killed and started again and again. Its methods are called
// by one goroutine at a time, but for look.
type program struct {
	dir     string
	outlets []*outlet
	outside string // one more --sink; empty: none
	address string // of its status page
	admin   string // of what it can be asked to do
	client  *http.Client
	members []*member
	journal *journal
	records *records
	clock   *clock
	fail    context.CancelCauseFunc // called when it ends by itself
	// settings are those of the processes to come, setting that of the present or
	// last one.
	settings *settings
	setting  setting

	mu        sync.Mutex
	child     *lab.Program // nil while it is down
	processes []*process
}

// process is one, from its start to its end.
type process struct {
	setting setting
	// asked has the members that it, or one before it, was asked to replay.
	asked map[string]bool
	// streams are those that could resume when it was started.
	streams map[streamID]*resumable
	// answered is set once its status page was read.
	answered bool
}

func newProgram(c *chaos, fail context.CancelCauseFunc) (*program, error) {
	addresses, err := lab.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	outlets := newOutlets(c.dir, c.options)
	for _, o := range outlets {
		if err := os.MkdirAll(o.control.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a directory for a sink: %w", err)
		}
	}
	return &program{
		dir: c.dir, outlets: outlets, outside: c.outsideSink(), address: addresses[0], admin: addresses[1],
		client:  &http.Client{Timeout: 5 * time.Second},
		members: c.fleet.members, journal: c.journal, records: c.records, clock: c.clock, fail: fail,
		settings: newSettings(c.seed, c.sinks), setting: wide(c.sinks),
	}, nil
}

// first tells the first sink what to do.
func (p *program) first() control { return p.outlets[0].control }

func (p *program) outlet(name string) *outlet {
	for _, o := range p.outlets {
		if o.name == name {
			return o
		}
	}
	return nil
}

// in returns the sinks that the program has at present.
func (p *program) in() []*outlet {
	var in []*outlet
	for i, o := range p.outlets {
		if !p.setting.out[i] {
			in = append(in, o)
		}
	}
	return in
}

func (p *program) kubeconfig() string { return filepath.Join(p.dir, "fleet.kubeconfig") }
func (p *program) ledger() string     { return filepath.Join(p.dir, "ledger") }
func (p *program) log() string        { return filepath.Join(p.dir, "fairlead.log") }
func (p *program) letters() string    { return filepath.Join(p.dir, "dead-letters") }

// arguments are tight: what takes minutes in real life takes seconds here, and
// the lanes are short, so that a sink that stalls is felt by the members.
func (p *program) arguments() []string {
	a := []string{
		asFairlead, "run",
		"--clusters", "kubeconfig:" + p.kubeconfig(),
		"--ledger", p.ledger(),
		"--dead-letter", p.letters(),
		// An audit would mend what is to be found.
		"--audit-interval", "0",
		"--cluster-qps", "0",
		// The members have a few hundred; the one that lies invents them without end.
		"--max-objects", "3000",
		"--cluster-limit", hostileName + "=200:200",
		"--lane-capacity", "40",
		"--workers", "16",
		"--api-qps", "200", "--api-burst", "400",
		"--reconnect-min", "100ms", "--reconnect-max", "1s",
		"--connect-timeout", "5s",
		"--stale-after", "2s",
		"--drain-timeout", "5s",
		"--metrics-bind-address", "0",
		"--admin-bind-address", p.admin,
		"--health-probe-bind-address", p.address,
	}
	for _, o := range p.in() {
		a = append(a, "--sink", o.flag())
	}
	if p.outside != "" {
		a = append(a, "--sink", p.outside)
	}
	for i, r := range resources {
		a = append(a, "--watch", p.setting.selected[i].watch(r.Resource))
	}
	return a
}

// lettersOf returns what a sink has refused for good, but for the member that lies, and
// was not sent again.
func lettersOf(path, sink string) (refused []string, err error) {
	for _, path := range deadletter.Files(path) {
		for r, err := range deadletter.Read(path) {
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return nil, err
			case r.Sink == sink && r.Event.Cluster != hostileName:
				refused = append(refused, fmt.Sprintf("%s %s is a dead letter: %s", r.Event.Key(), r.Event.ID, r.Reason))
			}
		}
	}
	return refused, nil
}

// changedSettings counts the processes that had another setting than the one before.
func (p *program) changedSettings() (n int) {
	for i := 1; i < len(p.processes); i++ {
		if !p.processes[i].setting.equal(p.processes[i-1].setting) {
			n++
		}
	}
	return n
}

// processesWithout counts the processes that did not have a sink.
func (p *program) processesWithout(sink int) (n int) {
	for _, q := range p.processes {
		if q.setting.out[sink] {
			n++
		}
	}
	return n
}

// start starts a process, in the setting that comes next.
func (p *program) start() error {
	if len(p.processes) == 0 {
		return p.startWith(p.setting)
	}
	return p.startWith(p.settings.next())
}

// startWith starts a process, and notes where in the sinks' files and from which
// ledger it does.
func (p *program) startWith(s setting) error {
	next := &process{setting: s, asked: map[string]bool{}}
	number := len(p.processes) + 1
	runs := make([]*run, len(p.outlets))
	var offsets []int64
	var stored []ledger.Dump
	if number > 1 {
		var err error
		if stored, err = p.copyLedger(number); err != nil {
			return err
		}
		p.mu.Lock()
		maps.Copy(next.asked, p.processes[number-2].asked)
		p.mu.Unlock()
		next.streams = p.resumable(stored, s)
	}
	for i, o := range p.outlets {
		r := &run{Asked: next.asked, Stored: o.stored(stored)}
		offset, err := wholeEvents(o.control.sink())
		if err != nil {
			return err
		}
		refused, err := readRefusals(o.control.refused())
		if err != nil {
			return err
		}
		if r.Offset = offset; number > 1 {
			r.Owed = p.records.owed(r.Stored, refused, o.filter)
		}
		runs[i], offsets = r, append(offsets, offset)
	}
	p.setting = s
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to start it as fairlead: %w", err)
	}
	c, err := lab.StartProgram(p.fail, p.log(), self, p.arguments()...)
	if err != nil {
		return err
	}
	p.journal.write(entry{Writes: p.clock.now(), Did: "started fairlead", Run: number, Offsets: offsets, Setting: p.setting.String()})
	for i, o := range p.outlets {
		o.runs = append(o.runs, runs[i])
	}
	p.mu.Lock()
	p.child, p.processes = c, append(p.processes, next)
	p.mu.Unlock()
	return nil
}

// kill is kill -9. It fails if the process has ended in any other way.
func (p *program) kill(ctx context.Context) error {
	p.look(ctx)
	err := p.child.Kill()
	if err == nil && !p.child.EndedBy(syscall.SIGKILL) {
		err = p.child.EndedByItself()
	}
	return errors.Join(err, p.ended())
}

// terminate is SIGTERM. It may end a process that is so young that it does not
// handle signals yet.
func (p *program) terminate(ctx context.Context) error {
	p.look(ctx)
	p.mu.Lock()
	young := !p.processes[len(p.processes)-1].answered
	p.mu.Unlock()
	err := p.child.Stop(stopGrace)
	if err != nil && young && !p.child.Running() && p.child.EndedBy(syscall.SIGTERM) {
		err = nil
	}
	return errors.Join(err, p.ended())
}

// ended notes that the process is gone.
func (p *program) ended() error {
	p.mu.Lock()
	p.child = nil
	p.mu.Unlock()
	var sizes []int64
	for _, o := range p.outlets {
		size, err := fileSize(o.control.sink())
		if err != nil {
			return err
		}
		sizes = append(sizes, size)
	}
	p.journal.write(entry{Writes: p.clock.now(), Did: "fairlead has ended", Run: len(p.processes), Offsets: sizes})
	return nil
}

// close ends what still runs, whatever its state.
func (p *program) close() {
	_ = p.child.Kill() // That it has ended before was told already.
	p.client.CloseIdleConnections()
}
