package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-dev/fairlead/internal/controlplane"
	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// The members, by what happens to them.
const (
	hub      = "hub"
	quiet    = "quiet"
	flooding = "flooding"
	faraway  = "faraway"
)

var memberNames = []string{quiet, flooding, faraway}

// cast is the control planes, and what the demo needs to speak to them.
type cast struct {
	env     *testenv.Env
	members []*member
}

// member is one cluster of the fleet. Fairlead reaches it through the proxy only,
// the demo never does.
type member struct {
	name    string
	cluster *testenv.Cluster
	proxy   *testenv.Proxy
	client  kubernetes.Interface
}

// startCast starts the control planes and waits until they answer.
func startCast(ctx context.Context) (_ *cast, err error) {
	specs := []testenv.Spec{{Name: hub}}
	for _, name := range memberNames {
		specs = append(specs, testenv.Spec{Name: name})
	}
	env, err := testenv.New(ctx, specs...)
	if errors.Is(err, controlplane.ErrNotFound) {
		return nil, err // It says what to do.
	}
	if err != nil {
		return nil, fmt.Errorf("start the control planes: %w", err)
	}
	c := &cast{env: env}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	for _, name := range memberNames {
		m := &member{name: name, cluster: env.Cluster(name)}
		if m.proxy, err = m.cluster.NewProxy(); err != nil {
			return nil, err
		}
		config := m.cluster.Config()
		config.ContentType = "application/vnd.kubernetes.protobuf" // Half the work, on both sides.
		if m.client, err = kubernetes.NewForConfig(config); err != nil {
			return nil, fmt.Errorf("make a client of cluster %s: %w", name, err)
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// close ends the control planes and removes their data.
func (c *cast) close() error {
	if err := c.env.Close(); err != nil {
		return fmt.Errorf("end the control planes: %w", err)
	}
	return nil
}

// member returns the member of that name.
func (c *cast) member(name string) *member {
	for _, m := range c.members {
		if m.name == name {
			return m
		}
	}
	panic("no member is called " + name)
}

// writeKubeconfigs writes two: the fleet as Fairlead reaches it, through the
// proxies, and all clusters with the hub as a person would want them.
func (c *cast) writeKubeconfigs(dir string) (fleet, direct string, err error) {
	fleet, direct = filepath.Join(dir, "fleet.kubeconfig"), filepath.Join(dir, "kubeconfig")
	var proxies, clusters []testenv.Target
	for _, m := range c.members {
		proxies = append(proxies, m.proxy)
		clusters = append(clusters, m.cluster)
	}
	clusters = append(clusters, c.env.Cluster(hub))
	return fleet, direct, errors.Join(
		testenv.WriteKubeconfig(fleet, proxies...),
		testenv.WriteKubeconfig(direct, clusters...),
	)
}

// held lists every ConfigMap of every member: those of the demo, and those that
// the API servers made for themselves.
func (c *cast) held(ctx context.Context) (map[replay.Object]string, error) {
	all := map[replay.Object]string{}
	for _, m := range c.members {
		held, err := m.held(ctx)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, held)
	}
	return all, nil
}

// held lists every ConfigMap of the member, with its resourceVersion.
func (m *member) held(ctx context.Context) (map[replay.Object]string, error) {
	list, err := m.client.CoreV1().ConfigMaps(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list what cluster %s holds: %w", m.name, err)
	}
	held := make(map[replay.Object]string, len(list.Items))
	for _, o := range list.Items {
		held[replay.Object{
			Cluster: m.name, Resource: "configmaps", Namespace: o.Namespace, Name: o.Name, UID: string(o.UID),
		}] = o.ResourceVersion
	}
	return held, nil
}

// workDir makes the directory for the sink's file, the kubeconfigs and the log.
func workDir() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return "", fmt.Errorf("make a directory for the demo's files: %w", err)
	}
	return dir, nil
}
