package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
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

// configMaps are what is written and followed.
var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// cast is the control planes, and those of them that Fairlead follows.
type cast struct {
	*lab.Servers
	members []*member
}

// member is one that has a writer.
type member struct {
	*lab.Member
	client kubernetes.Interface
}

// startCast starts the control planes and waits until they answer.
func startCast(ctx context.Context) (*cast, error) {
	specs := []testenv.Spec{{Name: hub}}
	for _, name := range memberNames {
		specs = append(specs, testenv.Spec{Name: name})
	}
	servers, err := lab.StartServers(ctx, specs...)
	if err != nil {
		return nil, err
	}
	c := &cast{Servers: servers}
	for _, name := range memberNames {
		if err := c.join(name); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func (c *cast) join(name string) error {
	m, err := c.Join(name)
	if err != nil {
		return err
	}
	config := m.Cluster.Config()
	config.ContentType = "application/vnd.kubernetes.protobuf" // Half the work, on both sides.
	client, err := kubernetes.NewForConfigAndClient(config, m.HTTP)
	if err != nil {
		return fmt.Errorf("make a client of cluster %s: %w", name, err)
	}
	c.members = append(c.members, &member{Member: m, client: client})
	return nil
}

// member returns the member of that name.
func (c *cast) member(name string) *member {
	for _, m := range c.members {
		if m.Name == name {
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
		proxies = append(proxies, m.Proxy)
		clusters = append(clusters, m.Cluster)
	}
	clusters = append(clusters, c.Cluster(hub))
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
		held, err := m.Held(ctx, configMaps, "", "")
		if err != nil {
			return nil, err
		}
		maps.Copy(all, held)
	}
	return all, nil
}

// workDir makes the directory for the sink's file, the kubeconfigs and the log.
func workDir() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return "", fmt.Errorf("make a directory for the demo's files: %w", err)
	}
	return dir, nil
}
