package bench

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// Simulated members in a process of their own. They are taken where a real API
// server could not serve as much in the time of a benchmark; what is measured is
// the client's side all the same.

// membersRequest is what is asked of them; one of these at a time.
type membersRequest struct {
	Touch int           // change object after object, this many times
	Rate  float64       // changes per second from here on; 0: none any more
	Beat  time.Duration // make an object of each resource of the first member each time this has passed; 0: none any more
	Known bool          // change one that was there in the beginning instead of making one
	Flood float64       // changes per second of the second member meanwhile; 0: none
}

// membersReply is where they stand afterwards.
type membersReply struct {
	Hosts []string // where each member is
	CA    []byte
	Stats simserver.Stats
	Beats []beat // since there were asked for some
}

// beat is when an object was made or changed, and its resourceVersion, which no other object of
// the member has.
type beat struct {
	Resource string
	Version  uint64
	At       time.Time
}

// config is a client configuration for one of the members.
func (r membersReply) config(i int) *rest.Config {
	return &rest.Config{Host: r.Hosts[i], QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: r.CA}}
}

func newMembers(ctx context.Context, setup json.RawMessage) (func(json.RawMessage) (any, error), error) {
	var o simserver.Options
	if err := json.Unmarshal(setup, &o); err != nil {
		return nil, err
	}
	server, err := simserver.New(o)
	if err != nil {
		return nil, err
	}
	go func() { _ = server.Run(ctx) }() // ends with the process
	var hosts []string
	var ca []byte
	for _, m := range server.Members() {
		config := m.Config()
		hosts, ca = append(hosts, config.Host), config.CAData
	}
	stop, touched := func() {}, 0
	var beats []beat
	return func(line json.RawMessage) (any, error) {
		var r membersRequest
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		stop()
		stop = func() {}
		for range r.Touch {
			server.Members()[0].Touch("configmaps", touched%max(o.Objects, 1))
			touched++
		}
		reply := membersReply{Hosts: hosts, CA: ca, Stats: server.Stats(), Beats: beats}
		beats = nil
		meanwhile := func(run func(ctx context.Context)) {
			running, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				run(running)
			}()
			stop = func() { cancel(); <-ended }
		}
		if r.Rate > 0 {
			meanwhile(func(ctx context.Context) { _, _ = server.Churn(ctx, simserver.Churn{PerSecond: r.Rate}) }) // the rate is valid
		}
		if r.Beat > 0 {
			meanwhile(func(ctx context.Context) {
				var flood sync.WaitGroup
				if r.Flood > 0 {
					flood.Go(func() { floodMember(ctx, server.Members()[1], o, r.Flood) })
				}
				beats = beatMember(ctx, server.Members()[0], o, r)
				flood.Wait()
			})
		}
		return reply, nil
	}, nil
}

// beatMember makes objects in a member, or changes known ones in turn, until ctx ends.
func beatMember(ctx context.Context, m *simserver.Member, o simserver.Options, r membersRequest) (beats []beat) {
	next := o.Objects // the number of the next one: none has it yet
	for _, n := range o.ObjectsOf {
		next = max(next, n)
	}
	of := math.MaxInt
	if r.Known {
		of = max(o.Objects, 1)
	}
	tick := time.NewTicker(r.Beat)
	defer tick.Stop()
	for ; ; next++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return beats
		}
		for _, resource := range o.Resources {
			at := time.Now()
			version, _ := strconv.ParseUint(m.Touch(resource, next%of), 10, 64) // it is a number
			beats = append(beats, beat{resource, version, at})
		}
	}
}

// floodMember changes the objects of a member in turn until ctx ends, as many in a second.
func floodMember(ctx context.Context, m *simserver.Member, o simserver.Options, rate float64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began, n := time.Now(), 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for ; float64(n) < rate*time.Since(began).Seconds(); n++ {
			m.Touch(o.Resources[0], n%max(o.Objects, 1))
		}
	}
}
