package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// Servers are the control planes of a run.
type Servers struct {
	*testenv.Env
	members []*Member
}

// Member is a cluster of the fleet. Fairlead reaches it through Proxy only; who
// writes to it, or checks what it holds, never does.
type Member struct {
	Name    string
	Cluster *testenv.Cluster
	Proxy   *testenv.Proxy
	HTTP    *http.Client // of an administrator; for clients of any kind

	lists metadata.Interface
}

// StartServers starts a control plane for each spec and waits until they answer.
// ctx bounds the start only.
func StartServers(ctx context.Context, specs ...testenv.Spec) (*Servers, error) {
	env, err := testenv.New(ctx, specs...)
	if errors.Is(err, controlplane.ErrNotFound) {
		return nil, err // It says what to do.
	}
	if err != nil {
		return nil, fmt.Errorf("start the control planes: %w", err)
	}
	return &Servers{Env: env}, nil
}

// Join makes one of the control planes, which is called name, a member.
func (s *Servers) Join(name string) (_ *Member, err error) {
	m := &Member{Name: name, Cluster: s.Cluster(name)}
	config := m.Cluster.Config()
	if m.Proxy, err = m.Cluster.NewProxy(); err != nil {
		return nil, err
	}
	if m.HTTP, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("make a client of cluster %s: %w", name, err)
	}
	s.members = append(s.members, m)
	if m.lists, err = metadata.NewForConfigAndClient(config, m.HTTP); err != nil {
		return nil, fmt.Errorf("make a client of cluster %s: %w", name, err)
	}
	return m, nil
}

// Close ends the control planes and removes their data.
func (s *Servers) Close() error {
	for _, m := range s.members {
		m.HTTP.CloseIdleConnections()
	}
	if err := s.Env.Close(); err != nil {
		return fmt.Errorf("end the control planes: %w", err)
	}
	return nil
}

// Held lists what the member holds of a resource, with the resourceVersions. An
// empty namespace is all of them, an empty selector every object.
func (m *Member) Held(ctx context.Context, resource schema.GroupVersionResource, namespace, selector string) (map[replay.Object]string, error) {
	list, err := m.lists.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list what cluster %s holds: %w", m.Name, err)
	}
	held := make(map[replay.Object]string, len(list.Items))
	for i := range list.Items {
		o := &list.Items[i]
		held[replay.Object{
			Cluster: m.Name, Resource: resource.Resource, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
		}] = o.ResourceVersion
	}
	return held, nil
}
