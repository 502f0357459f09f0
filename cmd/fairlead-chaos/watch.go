package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// lookEvery is how often the status page is read.
const lookEvery = 200 * time.Millisecond

type streamID struct{ cluster, resource string }

// resumable is a stream that a run could resume.
type resumable struct {
	losses int64  // of its member, at the start of the run
	lists  uint64 // snapshots that it took although nothing was lost since
}

// resumable returns the streams that a process with this setting can resume for
// each of its sinks: the resume point, as stored, is not lost, and is one of the
// same selection.
func (p *program) resumable(stored []ledger.Dump, s setting) map[streamID]*resumable {
	all := map[streamID]*resumable{}
	for _, m := range p.members {
		losses := m.losses.Load()
		for i, resource := range resources {
			can := losses%2 == 0
			for n, o := range p.outlets {
				can = can && (s.out[n] || slices.ContainsFunc(o.stored(stored), func(d ledger.Dump) bool {
					at, err := strconv.ParseUint(d.Resume, 10, 64)
					return d.ID.Cluster == m.Name && d.ID.Resource == resource.Resource && selectionOf(d) == s.selected[i] &&
						err == nil && at >= m.lostBefore.Load()
				}))
			}
			if can {
				all[streamID{m.Name, resource.Resource}] = &resumable{losses: losses}
			}
		}
	}
	return all
}

// selectionOf returns what a cursor follows.
func selectionOf(d ledger.Dump) selection {
	return selection{d.Selection.Namespace, d.Selection.Labels}
}

// page is what is read of the status page.
type page struct {
	Clusters []struct {
		Name    string `json:"name"`
		State   string `json:"state"`
		Streams []struct {
			Resource  string            `json:"resource"`
			State     string            `json:"state"`
			Snapshots map[string]uint64 `json:"snapshots"`
			Unacked   int               `json:"unacked"`
		} `json:"streams"`
	} `json:"clusters"`
}

// look reads the status page, if there is any, and notes snapshots that nothing
// has forced.
func (p *program) look(ctx context.Context) (page, bool) {
	p.mu.Lock()
	number := len(p.processes)
	p.mu.Unlock()
	// Before the page, so that what is lost after it was made does not count.
	losses := map[string]int64{}
	for _, m := range p.members {
		losses[m.Name] = m.losses.Load()
	}
	status, err := p.readPage(ctx)
	if err != nil {
		return page{}, false // not started yet, or killed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.processes) != number {
		return page{}, false
	}
	p.processes[number-1].answered = true
	for _, c := range status.Clusters {
		for _, s := range c.Streams {
			r := p.processes[number-1].streams[streamID{c.Name, s.Resource}]
			if r == nil || r.losses != losses[c.Name] {
				continue
			}
			var lists uint64
			for why, n := range s.Snapshots {
				if why != "replay" {
					lists += n
				}
			}
			if lists > r.lists {
				p.journal.write(entry{Writes: p.clock.now(), Did: fmt.Sprintf("took a snapshot after a restart: %v", s.Snapshots), Run: number, Object: c.Name + "/" + s.Resource})
			}
			r.lists = max(r.lists, lists)
		}
	}
	return status, true
}

// allLive reports whether every stream follows its resource.
func (p *program) allLive(ctx context.Context) bool {
	status, ok := p.look(ctx)
	if !ok {
		return false
	}
	followed := 0
	for _, c := range status.Clusters {
		if c.Name == hostileName {
			continue
		}
		followed++
		if len(c.Streams) < len(resources) {
			return false
		}
		for _, s := range c.Streams {
			if s.State != "live" {
				return false
			}
		}
	}
	return followed == len(p.members)
}

// watch looks until ctx ends.
func (p *program) watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// lists counts the snapshots that nothing has forced.
func (p *program) lists() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	for _, r := range p.processes {
		for _, s := range r.streams {
			total += int(s.lists)
		}
	}
	return total
}

func (p *program) readPage(ctx context.Context) (status page, err error) {
	text, err := lab.Get(ctx, p.client, "http://"+p.address+"/clusters")
	if err != nil {
		return status, err
	}
	return status, json.Unmarshal(text, &status)
}
