package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

// noticed is how long Fairlead is given to notice a new description of the fleet,
// which it reads every two seconds, between the times that it is killed.
const noticed = 10 * time.Second

// operate does what people do to Fairlead while it runs. Nobody else describes the
// fleet meanwhile.
func (b *breaker) operate(ctx context.Context, f fault, random *rand.Rand) error {
	m := b.fleet.members[random.IntN(len(b.fleet.members))]
	b.say("write %d: %s of %s", b.clock.now(), f.Kind, m.Name)
	describe := func() error { return b.fleet.writeKubeconfig(b.program.kubeconfig()) }
	gone := func() error {
		return first(func() error { return b.loses(ctx, m) }, func() error { return b.clock.wait(ctx, f.Until) })
	}
	switch f.Kind {
	case leave:
		m.out = true
		return after(describe(), gone, func() error {
			m.out = false
			return describe()
		})
	case renew:
		as, err := m.Cluster.User(fmt.Sprintf("renewed-%d", f.At), "system:masters")
		if err != nil {
			return err
		}
		m.as = as
		return describe()
	case deny:
		was := m.as
		if random.IntN(2) == 0 {
			m.as = &rest.Config{Host: was.Host, BearerToken: "nobody's", TLSClientConfig: rest.TLSClientConfig{CAData: was.CAData}}
		} else {
			as, err := m.Cluster.User("who-may-do-nothing")
			if err != nil {
				return err
			}
			m.as = as
		}
		return after(describe(), gone, func() error {
			m.as = was
			return describe()
		})
	case replayAll:
		return b.ask(ctx, f, "/replay", url.Values{"cluster": {m.Name}}, func() { b.program.mayReplay(m.Name) })
	default: // retryLetter
		return b.ask(ctx, f, "/dead-letter/retry", url.Values{"wait": {"0s"}}, func() {})
	}
}

// loses waits until Fairlead does not follow that member any more, but not for
// ever.
func (b *breaker) loses(ctx context.Context, m *member) error {
	for begun := time.Now(); time.Since(begun) < noticed && !b.clock.over(); {
		if page, ok := b.program.look(ctx); ok && !page.follows(m.Name) {
			return nil
		}
		if err := retry.Sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	return nil
}

// ask has Fairlead do something, unless it cannot before the fault is to end:
// because it is down, or does not have that member in its fleet. It calls note
// before and after each attempt.
func (b *breaker) ask(ctx context.Context, f fault, path string, query url.Values, note func()) error {
	for {
		note()
		code, answer, err := b.program.ask(ctx, path, query)
		note() // It may be another process by now.
		if err == nil {
			b.journal.write(entry{Writes: b.clock.now(), Did: fmt.Sprintf("asked for %s: %d %s", path, code, answer), Fault: &f})
			if code < http.StatusMultipleChoices {
				return nil
			}
		}
		if b.clock.now() >= f.Until || b.clock.over() {
			return nil
		}
		if err := retry.Sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// mayReplay notes that the present process may have been asked to replay a member.
func (p *program) mayReplay(member string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.processes[len(p.processes)-1].asked[member] = true
}

// forgetAsked notes that all that was asked for is done.
func (p *program) forgetAsked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.processes[len(p.processes)-1].asked)
}

// ask posts to the admin address.
func (p *program) ask(ctx context.Context, path string, query url.Values) (code int, answer []byte, err error) {
	to := url.URL{Scheme: "http", Host: p.admin, Path: path, RawQuery: query.Encode()}
	return lab.Ask(ctx, p.client, http.MethodPost, to.String())
}

// follows reports whether Fairlead follows that member: has it in its fleet, and
// is let in.
func (p page) follows(member string) bool {
	for _, c := range p.Clusters {
		if c.Name == member {
			return c.State == "live"
		}
	}
	return false
}

// sendDeadLetters has Fairlead send what the sink has refused until nothing is left
// of that. It fails if that does not come about.
func (p *program) sendDeadLetters(ctx context.Context) error {
	var answer struct {
		State   string `json:"state"`
		Records int    `json:"records"`
	}
	last := ""
	for begun := time.Now(); time.Since(begun) < patience; {
		code, raw, err := p.ask(ctx, "/dead-letter/retry", url.Values{"wait": {"3s"}})
		if err == nil {
			last = fmt.Sprintf("%d %s", code, raw)
			err = json.Unmarshal(raw, &answer)
		}
		if err == nil && code == http.StatusOK && answer.State == "done" && answer.Records == 0 {
			return nil
		}
		if err != nil {
			last = err.Error()
		}
		if err := retry.Sleep(ctx, settleEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("there are dead letters %v after the sink has begun to take everything; the last answer: %s", patience, last)
}
