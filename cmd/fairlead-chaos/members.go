package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// resources are what is written and followed. API servers change none of them by
// themselves, but when they start.
var resources = []schema.GroupVersionResource{
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "secrets"},
}

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// writtenTo is where the writers write: the first one, if there is one sink.
var writtenTo = []string{"fairlead-chaos", "fairlead-chaos-more"}

// member is one cluster of the fleet.
type member struct {
	*lab.Member
	client dynamic.Interface
	// cached says that the API server serves watches from its cache, which begins
	// anew with it. The others serve them from etcd, which remembers until it is
	// compacted.
	cached bool

	servers sync.Mutex // held by who starts, stops or compacts

	// What the operator decides: whether it is in the fleet, and as whom Fairlead
	// comes.
	out bool
	as  *rest.Config

	// losses counts the times that past versions were lost, twice each: it is odd
	// while that happens. lostBefore is the oldest version that the last loss has
	// left.
	losses     atomic.Int64
	lostBefore atomic.Uint64
}

// fleet is all members.
type fleet struct {
	*lab.Servers
	members []*member
	hostile testenv.Target // nil: there is none
}

// memberNames returns the names of n members.
func memberNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, "member-"+strconv.Itoa(i+1))
	}
	return names
}

// startFleet starts the control planes and waits until they answer.
func startFleet(ctx context.Context, names []string) (_ *fleet, err error) {
	var specs []testenv.Spec
	for i, name := range names {
		spec := testenv.Spec{Name: name}
		if i > 0 {
			spec.APIServerFlags = []string{"--watch-cache=false"}
		}
		specs = append(specs, spec)
	}
	servers, err := lab.StartServers(ctx, specs...)
	if err != nil {
		return nil, err
	}
	f := &fleet{Servers: servers}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	for i, name := range names {
		joined, err := f.Join(name)
		if err != nil {
			return nil, err
		}
		m := &member{Member: joined, cached: i == 0, as: joined.Cluster.Config()}
		f.members = append(f.members, m)
		if err := m.prepare(ctx); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return f, nil
}

// prepare makes the namespaces that are written to.
func (m *member) prepare(ctx context.Context) (err error) {
	if m.client, err = dynamic.NewForConfigAndClient(m.Cluster.Config(), m.HTTP); err != nil {
		return err
	}
	for _, namespace := range writtenTo {
		if _, err := m.client.Resource(namespaces).Create(ctx, object("Namespace", namespace, nil), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) member(name string) *member {
	for _, m := range f.members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// described is a member as Fairlead reaches it.
type described struct{ *member }

func (d described) Name() string         { return d.member.Name }
func (d described) Config() *rest.Config { return d.Proxy.Through(d.as) }

// writeKubeconfig describes the members that are in the fleet.
func (f *fleet) writeKubeconfig(path string) error {
	var targets []testenv.Target
	for _, m := range f.members {
		if !m.out {
			targets = append(targets, described{m})
		}
	}
	if f.hostile != nil {
		targets = append(targets, f.hostile)
	}
	return testenv.WriteKubeconfig(path, targets...)
}

// held lists what is selected of the resources in every member.
func (f *fleet) held(ctx context.Context, selected []selection) (map[replay.Object]string, error) {
	all := map[replay.Object]string{}
	for _, m := range f.members {
		for i, resource := range resources {
			held, err := m.Held(ctx, resource, selected[i].namespace, selected[i].labels)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, held)
		}
	}
	return all, nil
}

// forgetting does what loses the past versions, and notes which.
func (m *member) forgetting(ctx context.Context, do func(context.Context) error) error {
	m.losses.Add(1)
	defer m.losses.Add(1)
	if err := do(ctx); err != nil {
		return err
	}
	list, err := m.client.Resource(resources[0]).Namespace(writtenTo[0]).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return fmt.Errorf("ask cluster %s for its version: %w", m.Name, err)
	}
	version, err := strconv.ParseUint(list.GetResourceVersion(), 10, 64)
	if err != nil {
		return fmt.Errorf("ask cluster %s for its version: %w", m.Name, err)
	}
	m.lostBefore.Store(version)
	return nil
}

// restart restarts the servers, however they are ended.
func (m *member) restart(ctx context.Context, end func() error, meanwhile func() error) error {
	m.servers.Lock()
	defer m.servers.Unlock()
	again := func(ctx context.Context) error {
		if err := errors.Join(end(), meanwhile()); err != nil {
			return err
		}
		return m.Cluster.Start(ctx)
	}
	if m.cached {
		return m.forgetting(ctx, again)
	}
	return again(ctx)
}

// compact makes every version of before expire.
func (m *member) compact(ctx context.Context) error {
	m.servers.Lock()
	defer m.servers.Unlock()
	return m.forgetting(ctx, func(ctx context.Context) error {
		if m.cached {
			// Else the cache would serve what etcd has forgotten.
			if err := m.Cluster.Restart(ctx); err != nil {
				return err
			}
		}
		return m.Cluster.Compact(ctx)
	})
}
