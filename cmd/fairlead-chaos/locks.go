package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// lockServer is what keeps the record of the election, and how it is taken away.
type lockServer struct {
	flags   []string                        // by which processes find it
	lose    func(silent bool) error         // it refuses connections or, silent, does not answer
	restore func(ctx context.Context) error // what lose has taken away
	close   func() error
}

// lockServers are the values of --lock. What a kind needs is said here and nowhere else.
var lockServers = map[string]func(ctx context.Context, c *chaos) (*lockServer, error){
	"etcd":  startEtcd,
	"lease": startLease,
}

// lockNames returns the values of --lock.
func lockNames() []string { return slices.Sorted(maps.Keys(lockServers)) }

// startLease has a Lease in the first member, which is reached on a line of its own.
func startLease(_ context.Context, c *chaos) (*lockServer, error) {
	line, err := c.fleet.members[0].Cluster.NewProxy()
	if err != nil {
		return nil, err
	}
	hub := filepath.Join(c.dir, "hub.kubeconfig")
	if err := testenv.WriteKubeconfig(hub, line); err != nil {
		return nil, err
	}
	return &lockServer{
		flags: []string{"--hub-kubeconfig", hub, "--leader-elect-lock", "lease:" + writtenTo[0] + "/fairlead"},
		lose: func(silent bool) error {
			if silent {
				return line.BlackHole()
			}
			line.Cut()
			return nil
		},
		restore: func(context.Context) error { return line.Restore() },
		close:   func() error { return nil }, // the fleet's
	}, nil
}

// startEtcd has an etcd of its own.
func startEtcd(ctx context.Context, c *chaos) (*lockServer, error) {
	dir := filepath.Join(c.dir, "lock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for the lock: %w", err)
	}
	server, err := lab.StartEtcd(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &lockServer{
		flags: []string{"--leader-elect-lock", "etcd:" + server.URL + "/fairlead"},
		lose: func(silent bool) error {
			if silent {
				return server.Pause()
			}
			return server.Kill()
		},
		restore: server.Resume,
		close:   server.Kill,
	}, nil
}
