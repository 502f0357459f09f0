package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/fairlead-dev/fairlead/cmd/internal/page"
	"github.com/fairlead-dev/fairlead/cmd/internal/probe"
	"github.com/fairlead-dev/fairlead/cmd/internal/trace"
	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// program is everything that `fairlead run` runs, from the sources on the left
// of the picture to the sinks on its right.
type program struct {
	settings   *settings // those of the start; an engine has its own
	limiter    *limiter
	stdout     io.Writer
	log        logr.Logger
	registerer prometheus.Registerer
	hub        *rest.Config           // nil: nothing needs it
	election   *election.Election     // nil: this process need not ask
	lock       resourcelock.Interface // of the election
	waitsFor   atomic.Pointer[string]
	refused    atomic.Pointer[string] // why the ledger does not accept this leader

	observers     observers  // of what sinks answer
	orders        *orders    // of operators
	checking      sync.Mutex // held while everything is asked, see check
	probes        *probe.Shared
	recent        recent       // what they have answered last
	tails         tails        // of what they answer
	comparing     atomic.Bool  // whether a comparison is under way
	page          *page.Page   // the status page; nil: nothing shows it
	label         *leaderLabel // nil: there is none
	leaderMetrics leaderMetrics

	servers       []*manager.Server
	healthAddress net.Addr // nil: health is not served
	adminAddress  net.Addr // nil: nothing can be asked for

	// What follows is there once an engine is.
	engine       atomic.Pointer[engine]
	fleet        *fleet.Fleet
	members      *members // that the fleet knows
	destinations destinations
	term         uint64 // of this process, see pipeline.Origin
	ledger       *ledger.Ledger
	store        ledger.Store         // nil: the ledger is in memory
	dead         *deadLetters         // nil: there are none
	memberStatus *memberstatus.Writer // nil: nothing tells the hub where members stand
	tracer       *trace.Tracer        // nil: nothing is traced

	changes  *changes                  // of the settings
	changing atomic.Pointer[time.Time] // since when an engine has stopped, and the next one does not run yet
	handing  sync.WaitGroup            // goroutines that open and close destinations
	stepDown stepDown                  // whether this leader is to give way
	started  chan struct{}             // closed once sources run
	stopping chan struct{}             // closed when the program begins to stop
	hangup   chan os.Signal
	reloader *reloader // nil: there is no configuration file
}

// newProgram makes all of the program or, with leader election, what a follower
// needs: the rest is made by open when it leads. It fails where anything cannot
// be used.
func newProgram(ctx context.Context, s *settings, stdout io.Writer, log logr.Logger, reg prometheus.Registerer) (_ *program, err error) {
	p := &program{
		settings: s, limiter: newLimiter(s.clusterLimits()), stdout: stdout, log: log, registerer: reg,
		members: newMembers(), changes: newChanges(s), started: make(chan struct{}), stopping: make(chan struct{}), stepDown: stepDown{asked: make(chan struct{})},
		hangup: make(chan os.Signal, 1), probes: probe.NewShared(),
	}
	p.orders = newOrders(log, p.limiter)
	defer func() {
		if err != nil {
			for _, server := range p.servers {
				err = errors.Join(err, server.Listener.Close())
			}
		}
	}()
	p.observers.add(p.recent.observe) // until the program ends
	p.tails.recent, p.tails.stop, p.tails.log = &p.recent, p.stopping, log
	if s.HealthProbeBindAddress != "0" || s.AdminBindAddress != "0" {
		p.page = p.newStatusPage()
	}
	if p.hub, err = s.loadHub(); err != nil {
		return nil, err
	}
	if err := p.listen(); err != nil {
		return nil, err
	}
	if p.reloader, err = p.newReloader(); err != nil {
		return nil, err
	}
	if err := errors.Join(reg.Register(s.options.build().collector()), reg.Register(newClustersLeftOut())); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := p.registerLeader(); err != nil {
		return nil, err
	}
	if !s.LeaderElect {
		return p, p.open(ctx)
	}
	// What is wrong with the fleet is told now, not by whoever leads one day.
	if err := fleet.New(fleet.Options{Providers: s.providers, Hub: p.hub}).Check(); err != nil {
		return nil, err
	}
	if p.election, err = p.newElection(ctx); err != nil {
		return nil, err
	}
	p.label, err = p.newLeaderLabel()
	return p, err
}

// open makes what delivers, from right to left. What other processes must not
// have open at the same time is opened here.
func (p *program) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	opened := p.changes.now()
	// All that cannot be opened is told at once, too.
	var errs [3]error
	errs[2] = p.whenAccepted(ctx, func() error { return p.openLedger(ctx, opened) }) // first, because it is closed last
	if errs[2] != nil && ctx.Err() != nil {
		return errs[2] // another process may have the rest open
	}
	errs[0] = p.whenFree(ctx, "the dead letters", func() (err error) {
		p.dead, err = openDeadLetters(p.settings.DeadLetter, p.log, p.registerer)
		return err
	})
	s, err := p.openNewest(ctx)
	errs[1] = err
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if s != opened {
		p.ledger.Reopen(s.sinkNames())
	}
	p.term = p.ledger.Term()
	p.orders.load(p.ledger)
	p.fleet = fleet.New(fleet.Options{
		Providers: p.settings.providers, Hub: p.hub, Handler: p.members, NameHold: zeroIsNone(p.settings.NameHold), Log: p.log, Registerer: p.registerer,
	})
	if err := p.fleet.Check(); err != nil {
		return err
	}
	p.memberStatus = p.newMemberStatus()
	if p.tracer, err = p.newTracer(); err != nil {
		return err
	}
	e, err := p.newEngine(s, p.destinations)
	if err != nil {
		return err
	}
	p.engine.Store(e)
	return p.registerMetrics()
}

// openNewest opens the destinations of the newest settings there are, however long it waits
// for one. If those came after the start and cannot be opened, it opens those of before.
func (p *program) openNewest(ctx context.Context) (s *settings, err error) {
	for {
		opening, s, before := p.changes.take(ctx)
		p.destinations, err = p.openAll(opening, s)
		switch {
		case err == nil || ctx.Err() != nil:
			return s, err
		case errors.Is(context.Cause(opening), errNewer):
		case before == nil:
			return s, err
		default:
			p.log.Error(errors.New(redact.New().Text(err)), "The settings cannot be used; opening with those of before")
			p.changes.refuse(s, before, err)
		}
	}
}

// registerMetrics has metrics tell of what outlives engines, and of what all of them have.
func (p *program) registerMetrics() error {
	var optional []prometheus.Collector
	if p.memberStatus != nil {
		optional = append(optional, p.memberStatus)
	}
	if p.tracer != nil {
		optional = append(optional, p.tracer)
	}
	for _, c := range append(optional,
		ledger.NewCollector(p.ledger.Status, p.ledgerSize()),
		ledger.NewClusterCollector(p.ledger.Clusters),
		ledger.NewUnwatchedCollector(p.ledger.UnwatchedObjects),
		connection.NewCollector(p.connectionStatus),
		stream.NewCollector(p.streamStatus),
		stream.NewSurveyCollector(p.surveyStatus),
		pausedCollector{p.orders.paused},
	) {
		if err := p.registerer.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// openLedger opens what --ledger names and reads it.
func (p *program) openLedger(ctx context.Context, s *settings) (err error) {
	o := ledger.Options{Routes: s.sinkNames(), Retention: s.LedgerRetention, Term: p.chooseTerm(), Log: p.log}
	if open := s.store.Open; open != nil {
		err := p.whenFree(ctx, "the ledger", func() (err error) {
			p.store, err = open(ctx)
			return err
		})
		if err != nil {
			return fmt.Errorf("--ledger: %w", err)
		}
		o.Store = p.store
		if p.election != nil {
			o.Store = ledger.Fenced(p.store, p.election.MayStore)
		}
	}
	if p.ledger, err = ledger.Open(ctx, o); err != nil {
		return fmt.Errorf("--ledger: %w", err)
	}
	return nil
}

// chooseTerm returns what chooses the term of this process, given the last one that the
// ledger knows.
func (p *program) chooseTerm() func(last ledger.Term) (ledger.Term, error) {
	if p.election == nil {
		return ledger.Alone
	}
	return ledger.Elected(p.settings.lock.Identity, p.election.Token(), p.election.Status().Identity)
}

// ledgerSize returns what tells the size of the ledger's store; nil if it knows none.
func (p *program) ledgerSize() func() int64 {
	if s, ok := p.store.(ledger.Sizer); ok {
		return s.Size
	}
	return nil
}

// close lets go of files, after everything has stopped.
func (p *program) close() {
	p.orders.close()
	if e := p.current(); e != nil {
		e.close()
	}
	p.destinations.close()
	p.dead.close()
	p.closeStore()
}

func (p *program) closeStore() {
	if c, ok := p.store.(io.Closer); ok {
		if err := c.Close(); err != nil {
			p.log.Error(err, "Could not close the ledger")
		}
	}
}

func (p *program) connectionStatus() []connection.Status {
	var all []connection.Status
	for _, m := range p.current().sources.Status() {
		all = append(all, m.Connection)
	}
	return all
}

func (p *program) streamStatus() []stream.Status {
	var all []stream.Status
	for _, m := range p.current().sources.Status() {
		all = append(all, m.Streams...)
	}
	return all
}

// surveyStatus returns the surveys of what wildcards stand for, by member.
func (p *program) surveyStatus() map[string]stream.SurveyStatus {
	all := map[string]stream.SurveyStatus{}
	for _, m := range p.current().sources.Status() {
		if m.Survey != nil {
			all[m.Connection.Cluster] = *m.Survey
		}
	}
	return all
}
