package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/controlplane"
)

// etcdPatience bounds the wait for an etcd to answer.
const etcdPatience = 90 * time.Second

// Etcd is an etcd of one member, for something else than a control plane. One goroutine
// uses it at a time.
type Etcd struct {
	URL string // for its clients

	dir, peers string
	process    *child.Process
}

// StartEtcd starts an etcd that keeps its data and its log in dir, and waits until it
// answers. ctx bounds the start only.
func StartEtcd(ctx context.Context, dir string) (*Etcd, error) {
	addresses, err := FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	e := &Etcd{URL: "http://" + addresses[0], peers: "http://" + addresses[1], dir: dir}
	if err := e.start(ctx); err != nil {
		return nil, errors.Join(err, e.Kill())
	}
	return e, nil
}

func (e *Etcd) start(ctx context.Context) error {
	programs, err := controlplane.Find()
	if err != nil {
		return err // It says what to do.
	}
	cmd := exec.Command(filepath.Join(programs, "etcd"), //nolint:noctx // It outlives the call that starts it.
		"--data-dir", filepath.Join(e.dir, "data"), "--log-level", "error",
		"--listen-client-urls", e.URL, "--advertise-client-urls", e.URL,
		"--listen-peer-urls", e.peers, "--initial-advertise-peer-urls", e.peers, "--initial-cluster", "default="+e.peers)
	if e.process, err = child.Start("etcd", cmd, filepath.Join(e.dir, "log")); err != nil {
		return err
	}
	return e.await(ctx)
}

// await waits until it answers.
func (e *Etcd) await(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	patient, cancel := context.WithTimeoutCause(ctx, etcdPatience, fmt.Errorf("etcd does not answer at %s", e.URL))
	defer cancel()
	err := WaitUntil(patient, 100*time.Millisecond, func() error {
		_, err := Get(patient, client, e.URL+"/health")
		return err
	})
	if err != nil {
		return fmt.Errorf("%w; the end of its log:\n%s", err, e.process.LogTail())
	}
	return nil
}

// Pause has it answer nobody, and take connections all the same, until Resume.
func (e *Etcd) Pause() error { return e.process.Pause() }

// Kill ends it with SIGKILL. Its data stay, for Resume.
func (e *Etcd) Kill() error { return e.process.Kill() }

// Resume ends a Pause, or starts it again after a Kill, and waits until it answers.
func (e *Etcd) Resume(ctx context.Context) error {
	if !e.process.Running() {
		return e.start(ctx)
	}
	if err := e.process.Resume(); err != nil {
		return err
	}
	return e.await(ctx)
}
