package controlplane

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// serversDir is the nested module that pins the servers, from the repository's root.
const serversDir = "internal/controlplane/servers"

// Versions are those that servers/go.mod pins, without the leading v.
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

// parseVersions reads the versions out of the text of servers/go.mod.
func parseVersions(goMod []byte) (Versions, error) {
	kube, etcd := kubernetesRequire.FindSubmatch(goMod), etcdRequire.FindSubmatch(goMod)
	if kube == nil || etcd == nil {
		return Versions{}, errors.New("no require line for both k8s.io/kubernetes and go.etcd.io/etcd/server/v3")
	}
	return Versions{Kubernetes: string(kube[1]), Etcd: string(etcd[1])}, nil
}

// pinned finds the servers module and the versions that it pins. It looks
// upwards from the working directory (a test runs in its package's folder) and
// then from the running program (make puts programs into bin/).
func pinned() (dir string, v Versions, err error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for at := start; ; at = filepath.Dir(at) {
			dir := filepath.Join(at, serversDir)
			goMod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil {
				v, err := parseVersions(goMod)
				if err != nil {
					return "", Versions{}, fmt.Errorf("read the pinned versions from %s: %w", filepath.Join(dir, "go.mod"), err)
				}
				return dir, v, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", Versions{}, fmt.Errorf("read the pinned versions: %w", err)
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return "", Versions{}, fmt.Errorf("no %s above %s: run inside the repository or set %s",
		filepath.Join(serversDir, "go.mod"), strings.Join(starts, " and "), assetsEnv)
}
