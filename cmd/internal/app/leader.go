package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/locks"
)

// podNamespace is where the kubelet says which namespace a Pod is in.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// defaultLock is the Lease that the flags about the election name.
const defaultLock = "lease:"

// defaultLeaseName is its name.
const defaultLeaseName = "fairlead"

// checkLeaderElection reports what is wrong with the flags about it.
func (c *Config) checkLeaderElection(p *problems) {
	p.addError("leader-elect", c.LeaderElection.Validate())
	if wrong := validation.IsDNS1123Subdomain(c.LeaderElectionID); len(wrong) > 0 {
		p.add("leader-election-id", "%q cannot be the name of a Lease: %s", c.LeaderElectionID, strings.Join(wrong, "; "))
	}
	c.checkLeaderShown(p)
	if c.LeaderElectLock != defaultLock {
		for flag, set := range map[string]bool{
			"leader-election-id": c.LeaderElectionID != defaultLeaseName, "leader-election-namespace": c.LeaderElectionNamespace != "",
		} {
			if set {
				p.add(flag, "the lock is what --leader-elect-lock says; leave out --%s, or that one", flag)
			}
		}
		return
	}
	if !c.LeaderElect || c.elsewhere && c.LeaderElectionNamespace == "" {
		return
	}
	if ns, err := c.leaseNamespace(podNamespace); err != nil {
		p.add("leader-election-namespace", "%w", err)
	} else if wrong := validation.IsDNS1123Label(ns); len(wrong) > 0 {
		p.add("leader-election-namespace", "%q cannot be a namespace: %s", ns, strings.Join(wrong, "; "))
	}
}

// checkLeaderShown reports what is wrong with the flags by which others find the leader.
func (c *Config) checkLeaderShown(p *problems) {
	if c.AdvertiseAddress != "" {
		_, err := advertised(c.AdvertiseAddress, c.HealthProbeBindAddress)
		p.addError("advertise-address", err)
	}
	if c.LeaderLabel == "" {
		return
	}
	_, _, err := parsePod(c.LeaderLabel)
	p.addError("leader-label", err)
	if !c.LeaderElect {
		p.add("leader-label", "there is no leader without --leader-elect")
	}
}

// parseLock returns what the election is held over. What is wrong with the default
// is reported by checkLeaderElection.
func (c *Config) parseLock() (locks.Spec, error) {
	text := c.LeaderElectLock
	if text == defaultLock {
		namespace, err := c.leaseNamespace(podNamespace)
		if !c.LeaderElect || err != nil {
			return locks.Spec{}, nil //nolint:nilerr // checkLeaderElection says it.
		}
		lock, _ := locks.Parse(lockKinds, defaultLock+namespace+"/"+c.LeaderElectionID)
		return lock, nil
	}
	lock, err := locks.Parse(lockKinds, text)
	var p problems
	p.addError("leader-elect-lock", err)
	return lock, errors.Join(p...)
}

// leaseNamespace returns the namespace that was given, or else that of the Pod.
func (c *Config) leaseNamespace(pod string) (string, error) {
	if c.LeaderElectionNamespace != "" {
		return c.LeaderElectionNamespace, nil
	}
	text, err := os.ReadFile(pod)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("not given, and this is no Pod that has one (or its service account is not mounted); name the namespace of the Lease")
	}
	if err != nil {
		return "", fmt.Errorf("not given, and that of the Pod cannot be read: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// newElection returns this process's part in the election of a leader.
func (p *program) newElection(ctx context.Context) (_ *election.Election, err error) {
	s := p.settings
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find a name for this process in leader election: %w", err)
	}
	address := ""
	if s.AdvertiseAddress != "" {
		health := ""
		if p.healthAddress != nil {
			health = p.healthAddress.String()
		}
		if address, err = advertised(s.AdvertiseAddress, health); err != nil {
			return nil, fmt.Errorf("--advertise-address: %w", err)
		}
	}
	p.lock, err = s.lock.Open(ctx, locks.Env{
		Identity:  processIdentity(host, string(uuid.NewUUID()), address), // a Pod is started again under its name
		Hub:       p.hub,
		Timeout:   s.LeaderElection.CallTimeout(),
		UserAgent: s.userAgent(),
		Log:       p.log.WithName("lock"),
	})
	if err != nil {
		return nil, fmt.Errorf("--leader-elect-lock %s %w", spec.Before(s.lock.Identity), err)
	}
	return election.New(s.LeaderElection, p.leaderMetrics.observe(p.lock), p.log)
}

// closeLock ends what the lock keeps open, after the election. It waits no longer than
// for any other part of the program.
func (p *program) closeLock() {
	c, ok := p.lock.(io.Closer)
	if !ok {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := c.Close(); err != nil {
			p.log.Error(err, "Could not close the lock", "lock", p.lock.Describe())
		}
	}()
	if g := (grace{left: stopGrace}); !g.await(closed) {
		p.log.Info("Goes on although the lock has not been closed in time", "lock", p.lock.Describe())
	}
}

// lead does the work of the program while this process leads.
func (p *program) lead(ctx, term context.Context) (ended bool, err error) {
	defer context.AfterFunc(term, func() { p.leaderMetrics.countLost(context.Cause(term)) })()
	opening, cancel := context.WithCancel(term)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	switch err := p.open(opening); {
	case err == nil:
	case term.Err() != nil:
		return true, context.Cause(term)
	case ctx.Err() != nil:
		return true, nil // asked to stop meanwhile
	default:
		return true, err
	}
	return p.work(ctx, term)
}

// lockPoll is how often a new leader looks whether its predecessor has let go of
// a file.
const lockPoll = 500 * time.Millisecond

// whenFree opens something. With leader election a process that led before may
// still have it, for as long as it takes to end: then whenFree waits until it
// has let go, or ctx ends.
func (p *program) whenFree(ctx context.Context, what string, open func() error) error {
	waiting := false
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := open()
		if p.election == nil || !errors.Is(err, spec.ErrInUse) {
			if waiting && err == nil {
				p.log.Info("The process that led before has let go", "of", what)
			}
			p.waitsFor.Store(nil)
			return err
		}
		if !waiting {
			waiting = true
			p.waitsFor.Store(&what)
			p.log.Info("Leads, and waits for the process that led before to let go", "of", what, "reason", err.Error())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the process that led before: %w: %w", context.Cause(ctx), err)
		}
	}
}

// electionStatus returns nil if there is no election.
func (p *program) electionStatus() *api.Election {
	if p.election == nil {
		return nil
	}
	e := p.election.Status()
	s := &api.Election{Role: "follower", Lock: p.settings.lock.Identity, Identity: e.Identity, Leader: e.Leader, LeaderSince: e.Since, Renewed: e.Renewed, Term: e.Token, UnsettledSince: e.Unsettled, LastError: e.LastError}
	s.LeaderHost, s.LeaderAddress = api.ParseIdentity(e.Leader)
	if e.Leading {
		s.Role = "leader"
	}
	s.UnrenewedSince, s.EndsAt = e.Unrenewed, e.Ends
	if e.Lost != nil {
		s.Lost = e.Lost.Error()
	}
	if what := p.waitsFor.Load(); what != nil {
		s.WaitsFor = *what
	}
	if p.adminAddress != nil {
		s.AdminAddress = p.adminAddress.String()
	}
	if why := p.refused.Load(); why != nil {
		s.Refused = *why
	}
	return s
}

// following says whom this process follows, and by which lock, or returns "" if it
// leads.
func (p *program) following() string { return p.electionStatus().Following() }
