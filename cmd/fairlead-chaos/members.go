package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
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

// member is one cluster of the fleet. Fairlead reaches it through the proxy only;
// the writer and the checker never do.
type member struct {
	name    string
	cluster *testenv.Cluster
	proxy   *testenv.Proxy
	http    *http.Client
	client  dynamic.Interface
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
	env     *testenv.Env
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
	env, err := testenv.New(ctx, specs...)
	if errors.Is(err, controlplane.ErrNotFound) {
		return nil, err // It says what to do.
	}
	if err != nil {
		return nil, fmt.Errorf("start the control planes: %w", err)
	}
	f := &fleet{env: env}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	for i, name := range names {
		m := &member{name: name, cluster: env.Cluster(name), cached: i == 0}
		f.members = append(f.members, m)
		if err := m.connect(ctx); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return f, nil
}

func (m *member) connect(ctx context.Context) (err error) {
	if m.proxy, err = m.cluster.NewProxy(); err != nil {
		return err
	}
	config := m.cluster.Config()
	m.as = config
	if m.http, err = rest.HTTPClientFor(config); err != nil {
		return err
	}
	if m.client, err = dynamic.NewForConfigAndClient(config, m.http); err != nil {
		return err
	}
	for _, namespace := range writtenTo {
		if _, err := m.client.Resource(namespaces).Create(ctx, object("Namespace", namespace, nil), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// close ends the control planes and removes their data.
func (f *fleet) close() error {
	for _, m := range f.members {
		if m.http != nil {
			m.http.CloseIdleConnections()
		}
	}
	if err := f.env.Close(); err != nil {
		return fmt.Errorf("end the control planes: %w", err)
	}
	return nil
}

func (f *fleet) member(name string) *member {
	for _, m := range f.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// described is a member as Fairlead reaches it.
type described struct{ *member }

func (d described) Name() string         { return d.name }
func (d described) Config() *rest.Config { return d.proxy.Through(d.as) }

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
			held, err := m.held(ctx, resource, selected[i])
			if err != nil {
				return nil, err
			}
			maps.Copy(all, held)
		}
	}
	return all, nil
}

func (m *member) held(ctx context.Context, resource schema.GroupVersionResource, s selection) (map[replay.Object]string, error) {
	list, err := m.client.Resource(resource).Namespace(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: s.labels})
	if err != nil {
		return nil, fmt.Errorf("list what cluster %s holds: %w", m.name, err)
	}
	held := make(map[replay.Object]string, len(list.Items))
	for i := range list.Items {
		o := &list.Items[i]
		held[replay.Object{
			Cluster: m.name, Resource: resource.Resource, Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID()),
		}] = o.GetResourceVersion()
	}
	return held, nil
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
		return fmt.Errorf("ask cluster %s for its version: %w", m.name, err)
	}
	version, err := strconv.ParseUint(list.GetResourceVersion(), 10, 64)
	if err != nil {
		return fmt.Errorf("ask cluster %s for its version: %w", m.name, err)
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
		return m.cluster.Start(ctx)
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
			if err := m.cluster.Restart(ctx); err != nil {
				return err
			}
		}
		return m.cluster.Compact(ctx)
	})
}
