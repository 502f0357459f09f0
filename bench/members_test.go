package bench

import (
	"context"
	"encoding/json"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/bench/internal/simserver"
)

// Simulated members in a process of their own. They are taken where a real API
// server could not serve as much in the time of a benchmark; what is measured is
// the client's side all the same.

// membersRequest is what is asked of them; one of these at a time.
type membersRequest struct {
	Touch int     // change object after object, this many times
	Rate  float64 // changes per second from here on; 0: none any more
}

// membersReply is where they stand afterwards.
type membersReply struct {
	Hosts []string // where each member is
	CA    []byte
	Stats simserver.Stats
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
		if r.Rate > 0 {
			churning, cancel := context.WithCancel(ctx)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_, _ = server.Churn(churning, simserver.Churn{PerSecond: r.Rate}) // the rate is valid
			}()
			stop = func() { cancel(); <-ended }
		}
		return membersReply{Hosts: hosts, CA: ca, Stats: server.Stats()}, nil
	}, nil
}
