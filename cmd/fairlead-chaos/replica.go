package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// startAgain is how long a replica that has ended is down.
const startAgain = 300 * time.Millisecond

// replica is one of several Fairleads, which is started again whenever it has ended.
type replica struct {
	status string // address
	log    string // path
	args   []string
	client *http.Client

	mu    sync.Mutex
	child *lab.Program // the present process or the last one; nil: it has not begun
}

// process returns the present process, or the last one.
func (r *replica) process() *lab.Program {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.child
}

// keep runs one process after the other until ctx ends, and then has the last one
// stop. Processes may be killed, and may end because they have lost the lock; any
// other end is an error.
func (r *replica) keep(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for {
		p, err := lab.StartProgram(func(error) {}, r.log, self, r.args...)
		if err != nil {
			return err
		}
		p.Expect()
		r.mu.Lock()
		r.child = p
		r.mu.Unlock()
		select {
		case <-p.Exited():
		case <-ctx.Done():
			err := p.Stop(stopGrace)
			if err != nil && endedAsItMay(p) {
				return nil
			}
			return errors.Join(err, p.Kill())
		}
		if !endedAsItMay(p) {
			return p.EndedByItself()
		}
		if retry.Sleep(ctx, startAgain) != nil {
			return nil //nolint:nilerr // It is down, as it should be.
		}
	}
}

// endedAsItMay reports whether a process has been killed, asked to stop or has lost the
// lock.
func endedAsItMay(p *lab.Program) bool {
	if p.Running() {
		return false
	}
	code := p.ExitCode()
	return p.EndedBy(syscall.SIGKILL) || p.EndedBy(syscall.SIGTERM) || code == 0 || code == exitLost
}

// standing is where a replica stands in the election.
type standing struct {
	leads    bool
	delivers bool // and has begun to
}

// look asks the present process. One that does not answer does nothing.
func (r *replica) look(ctx context.Context) (p *lab.Program, s standing) {
	p = r.process()
	text, err := lab.Get(ctx, r.client, "http://"+r.status+"/clusters")
	if err != nil || p != r.process() {
		return p, standing{}
	}
	var page struct {
		Election struct {
			Role     string `json:"role"`
			WaitsFor string `json:"waitsFor"`
		} `json:"election"`
		Clusters []json.RawMessage `json:"clusters"`
	}
	if json.Unmarshal(text, &page) != nil {
		return p, standing{}
	}
	s.leads = page.Election.Role == "leader"
	s.delivers = s.leads && page.Election.WaitsFor == "" && len(page.Clusters) > 0
	return p, s
}
