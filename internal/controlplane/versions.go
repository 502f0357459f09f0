package controlplane

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The module that pins the servers.
var (
	//go:embed servers/servers.mod
	serversMod []byte
	//go:embed servers/servers.sum
	serversSum []byte
)

// Versions are those that servers/servers.mod pins, without the leading v.
type Versions struct {
	Kubernetes string // for example 1.36.3
	Etcd       string // for example 3.6.8
}

// minor returns the part of the Kubernetes version that decides which API a
// server speaks: major and minor, for example "1", "36".
func (v Versions) minor() (major, minor string) {
	parts := strings.SplitN(v.Kubernetes, ".", 3)
	return parts[0], parts[1]
}

// dirName is where a build of these versions lies in the cache.
func (v Versions) dirName() string {
	return "kube-" + v.Kubernetes + "_etcd-" + v.Etcd
}

var (
	kubernetesRequire = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes v(\d+\.\d+\.\d+\S*)`)
	etcdRequire       = regexp.MustCompile(`(?m)^\s*go\.etcd\.io/etcd/server/v3 v(\d+\.\d+\.\d+\S*)`)
)

// parseVersions reads the versions out of the text of servers/servers.mod.
func parseVersions(goMod []byte) (Versions, error) {
	kube, etcd := kubernetesRequire.FindSubmatch(goMod), etcdRequire.FindSubmatch(goMod)
	if kube == nil || etcd == nil {
		return Versions{}, errors.New("no require line for both k8s.io/kubernetes and go.etcd.io/etcd/server/v3")
	}
	return Versions{Kubernetes: string(kube[1]), Etcd: string(etcd[1])}, nil
}

// Pinned returns the versions that Assets makes: those of the embedded module.
func Pinned() Versions {
	v, err := parseVersions(serversMod)
	if err != nil {
		panic(err) // a test reads it
	}
	return v
}

// writeModule puts the servers module into dir, as the go command wants it.
func writeModule(dir string) error {
	for name, text := range map[string][]byte{"go.mod": serversMod, "go.sum": serversSum} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("write the module to build the test control plane from: %w", err)
		}
	}
	return nil
}
