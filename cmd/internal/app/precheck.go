package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/cmd/internal/probe"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// precheck asks everything that settings name, without a program that runs. It makes the
// same connections as one, follows nothing, and changes nothing, but for a file beside the ledger that
// it makes and removes. timeout bounds each attempt to connect, and
// the check of each sink and of the lock.
func (s *settings) precheck(ctx context.Context, timeout time.Duration) *api.Check {
	began := time.Now()
	in := findings.Input{Status: api.Status{Ledger: api.Ledger{Path: s.store.Identity, Status: ledger.Status{Healthy: true}}}}
	in.Probes.Unkept = s.unkept()
	hub, err := s.loadHub()
	if err != nil {
		in.Status.Problems = append(in.Status.Problems, api.Problem{Source: "--hub-kubeconfig", Error: redact.New().Text(err), Since: began})
	}
	var wg sync.WaitGroup
	wg.Go(func() { in.Probes.Volume = s.askVolume(ctx) })
	wg.Go(func() { in.Probes.Sinks = s.askSinks(ctx, timeout) })
	wg.Go(func() { in.Probes.Lock = s.askLock(ctx, hub, timeout) })
	members, problems := s.describe(ctx, hub, timeout)
	in.Status.Problems = append(in.Status.Problems, problems...)
	in.Status.Clusters = make([]api.Cluster, len(members))
	in.Probes.Members = make([]api.MemberProbe, len(members))
	probe.Each(ctx, len(members), 2*timeout+probe.MemberTimeout, func(ctx context.Context, i int) {
		in.Status.Clusters[i], in.Probes.Members[i] = s.askMember(ctx, &members[i], timeout)
	})
	noteTwins(in.Status.Clusters)
	wg.Wait()
	in.Now = time.Now()
	c := newCheck(in, began)
	c.Streams = len(members) * len(s.specs)
	return c
}

// hubQuiet is for how long nothing has to come of the hub until it has told all.
const hubQuiet = 500 * time.Millisecond

// describe returns the members that there are, as the fleet would find them, and what is
// wrong with their descriptions. It writes no Events.
func (s *settings) describe(ctx context.Context, hub *rest.Config, timeout time.Duration) (members []fleet.Member, problems []api.Problem) {
	problem := func(source, within, cluster string, err error) {
		problems = append(problems, api.Problem{Source: source, Context: within, Cluster: cluster, Error: redact.New().Text(err), Since: time.Now()})
	}
	seen := map[string]string{} // where a name is described
	for _, p := range s.providers {
		for _, d := range scan(ctx, p, hub, timeout) {
			switch {
			case d.Err != nil:
				problem(d.Source, d.Context, d.Name, d.Err)
			case d.Member == nil || seen[d.Name] == d.Source:
			case seen[d.Name] != "":
				problem(d.Source, d.Context, d.Name, fmt.Errorf("cluster %q is described by %s already; rename or remove one", d.Name, seen[d.Name]))
			}
			if d.Member != nil && seen[d.Name] == "" {
				seen[d.Name] = d.Source
				members = append(members, *d.Member)
			}
		}
	}
	return members, problems
}

// scan returns what a provider describes. One that follows the hub has told all when nothing
// more has come for a while.
func scan(ctx context.Context, p fleet.Provider, hub *rest.Config, timeout time.Duration) []fleet.Description {
	scanner := p.NewScanner()
	follower, ok := scanner.(fleet.Follower)
	if !ok {
		return scanner.Scan()
	}
	env := fleet.Env{Log: logr.Discard()}
	if _, ok := p.(fleet.HubReader); ok {
		if hub == nil {
			return nil // which is told
		}
		env.Hub = hub
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	changed := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- follower.Follow(ctx, env, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	quiet := time.NewTimer(timeout)
	defer quiet.Stop()
	defer cancel()
	for {
		select {
		case <-changed:
			quiet.Reset(hubQuiet)
			continue
		case <-quiet.C:
			found := scanner.Scan()
			if c, ok := scanner.(fleet.Completer); ok && !c.Complete() && !slices.ContainsFunc(found, func(d fleet.Description) bool { return d.Err != nil }) {
				found = append(found, fleet.Description{Source: p.String(), Err: fmt.Errorf("it has not been read within %v: what it is read from takes requests and does not answer them in full", timeout)})
			}
			cancel()
			if err := <-ended; err != nil {
				found = append(found, fleet.Description{Source: p.String(), Err: fmt.Errorf("it cannot be followed: %w", err)})
			}
			return found
		case err := <-ended:
			found := scanner.Scan()
			if err != nil {
				found = append(found, fleet.Description{Source: p.String(), Err: fmt.Errorf("it cannot be followed: %w", err)})
			}
			return found
		}
	}
}

// askMember connects to a member, once, and asks it.
func (s *settings) askMember(ctx context.Context, m *fleet.Member, timeout time.Duration) (api.Cluster, api.MemberProbe) {
	q := probe.Question{Cluster: m.Name, REST: m.REST, Specs: s.specs, Excluded: s.excluded, MaxStreams: s.MaxStreams, Lists: true}
	if m.Limits.Paused {
		return api.Cluster{Name: m.Name, Source: m.Source, State: member.Paused, Reason: "paused"}, probe.Member(ctx, q)
	}
	config := s.sources().Connection
	config.ConnectTimeout = min(config.ConnectTimeout, timeout)
	conn, err := connection.New(connection.Options{Cluster: m.Name, REST: m.REST, Config: config, UserAgent: s.userAgent(), Log: logr.Discard()})
	if err != nil {
		return api.Cluster{Name: m.Name, Source: m.Source, State: member.Waiting, Reason: "configuration unusable", LastError: redact.New().Text(err)}, probe.Member(ctx, q)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = conn.Run(running) // whose state tells
	}()
	defer func() {
		stop()
		<-ended
	}()
	q.Session = firstAnswer(ctx, conn)
	c := conn.Status()
	of := api.Cluster{
		Name: m.Name, Source: m.Source, State: c.State, Reason: c.Reason, Since: c.Since, LastError: c.LastError, LastErrorAt: c.LastErrorAt,
		Attempt: c.Attempt, UID: c.ClusterUID, ServerVersion: c.ServerVersion,
	}
	return of, probe.Member(ctx, q)
}

// firstAnswer waits until a connection has a session, which it returns, or has failed once.
func firstAnswer(ctx context.Context, conn *connection.Connection) *member.Session {
	for {
		link := conn.Link()
		if link.Session != nil || link.State == member.Waiting || link.State == member.BackingOff || link.State == member.Gone {
			return link.Session
		}
		select {
		case <-link.Changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// noteTwins notes which clusters are the same one.
func noteTwins(clusters []api.Cluster) {
	byUID := map[string][]string{}
	for _, c := range clusters {
		if c.UID != "" {
			byUID[c.UID] = append(byUID[c.UID], c.Name)
		}
	}
	for i, c := range clusters {
		for _, name := range byUID[c.UID] {
			if name != c.Name && c.UID != "" {
				clusters[i].SameAs = append(clusters[i].SameAs, name)
			}
		}
		slices.Sort(clusters[i].SameAs)
	}
}

// askVolume looks at the ledger's volume, and at the ledger if there is one; nil: the ledger
// is in no file. Unless another process has the ledger, it makes and removes a file beside it.
func (s *settings) askVolume(ctx context.Context) *api.Volume {
	v := s.volume()
	if v == nil || v.Error != "" || s.store.OpenExisting == nil {
		return v
	}
	store, err := s.store.OpenExisting(ctx, true)
	switch {
	case err == nil:
		if c, ok := store.(io.Closer); ok {
			err = c.Close()
		}
	case errors.Is(err, fs.ErrNotExist):
		err = nil // it will be made
	case errors.Is(err, ledger.ErrInUse):
		v.Locked, err = true, nil
	}
	if err == nil && !v.Locked { // else whoever has it shows that it can
		var hangs error
		if err, hangs = ofDisk(func() error { return probe.TryVolume(s.store.Path) }); hangs != nil {
			err = hangs
		}
	}
	v.Error = redact.New().Text(err)
	return v
}

// askSinks has each sink check its destination.
func (s *settings) askSinks(ctx context.Context, timeout time.Duration) []api.SinkProbe {
	wanted := s.wanted()
	all := make([]api.SinkProbe, len(wanted))
	probe.Each(ctx, len(all), timeout, func(ctx context.Context, i int) { all[i] = trySink(ctx, wanted[i]) })
	return all
}

// askLock reads the lock of the election; nil: there is none.
func (s *settings) askLock(ctx context.Context, hub *rest.Config, timeout time.Duration) *api.Lock {
	if !s.LeaderElect || s.lock.Open == nil || s.lock.NeedsHub && hub == nil {
		return nil
	}
	l := &api.Lock{Identity: s.lock.Identity}
	fail := func(err error) *api.Lock {
		l.Error = redact.New().Text(err)
		return l
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	lock, err := s.lock.Open(ctx, locks.Env{
		Identity: "fairlead-check-" + string(uuid.NewUUID()), Hub: hub, Timeout: s.LeaderElection.CallTimeout(), UserAgent: s.userAgent(), Log: logr.Discard(),
	})
	if err != nil {
		return fail(err)
	}
	if c, ok := lock.(io.Closer); ok {
		defer func() { _ = c.Close() }() // it was only read
	}
	record, _, err := lock.Get(ctx)
	switch {
	case apierrors.IsNotFound(err):
	case err != nil:
		return fail(err)
	default:
		l.Holder = redact.Line(record.HolderIdentity, api.MostAddress)
	}
	return l
}
