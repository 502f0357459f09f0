package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/controlplane"
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
	programs, err := controlplane.Find()
	if err != nil {
		return nil, err
	}
	addresses, err := lab.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	clients, peers := "http://"+addresses[0], "http://"+addresses[1]
	var server *child.Process
	start := func(ctx context.Context) (err error) {
		cmd := exec.Command(filepath.Join(programs, "etcd"), //nolint:noctx // It outlives the call that starts it.
			"--data-dir", filepath.Join(c.dir, "lock.etcd"), "--log-level", "error",
			"--listen-client-urls", clients, "--advertise-client-urls", clients,
			"--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
		if server, err = child.Start("etcd", cmd, filepath.Join(c.dir, "lock.log")); err != nil {
			return err
		}
		client := &http.Client{Timeout: time.Second}
		defer client.CloseIdleConnections()
		patient, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the lock's etcd does not answer; the end of its log:\n%s", server.LogTail()))
		defer cancel()
		return lab.WaitUntil(patient, settleEvery, func() error {
			_, err := lab.Get(patient, client, clients+"/health")
			return err
		})
	}
	if err := start(ctx); err != nil {
		return nil, errors.Join(err, server.Kill())
	}
	return &lockServer{
		flags: []string{"--leader-elect-lock", "etcd:" + clients + "/fairlead"},
		lose: func(silent bool) error {
			if silent {
				return server.Signal(syscall.SIGSTOP)
			}
			return server.Kill()
		},
		restore: func(ctx context.Context) error {
			if server.Running() {
				return server.Signal(syscall.SIGCONT)
			}
			return start(ctx)
		},
		close: func() error { return server.Kill() },
	}, nil
}
