package app

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// unpack returns the files of a bundle.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f := must(os.Open(path))(t)
	defer func() { _ = f.Close() }()
	files := map[string]string{}
	for r := tar.NewReader(must(gzip.NewReader(f))(t)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "fairlead-support/")] = string(must(io.ReadAll(r))(t))
	}
}

// TestASupportBundleHoldsNoCredentials: a member and a sink send back the credentials that
// they get, and a log has some. None is in the bundle, and all else is.
func TestASupportBundleHoldsNoCredentials(t *testing.T) {
	const memberToken, sinkToken, logged = "canary-member-7f3a", "canary-sink-91bc", "canary-log-55e0"
	echo := func(w http.ResponseWriter, r *http.Request) {
		got := r.Header.Get("Authorization")
		http.Error(w, "you sent "+got+", which is "+base64.StdEncoding.EncodeToString([]byte(got)), http.StatusInternalServerError)
	}
	mirror, sink := httptest.NewServer(http.HandlerFunc(echo)), httptest.NewServer(http.HandlerFunc(echo))
	t.Cleanup(mirror.Close)
	t.Cleanup(sink.Close)
	env := testenv.Start(t, testenv.Spec{Name: "hub"})
	c := env.Cluster("hub")
	ns := c.NewNamespace(t)
	newObjects(t, c, ns).create("one")
	fleet := clientcmdapi.NewConfig()
	fleet.Clusters["m"] = &clientcmdapi.Cluster{Server: mirror.URL}
	fleet.AuthInfos["m"] = &clientcmdapi.AuthInfo{Token: memberToken}
	fleet.Contexts["mirror"] = &clientcmdapi.Context{Cluster: "m", AuthInfo: "m"}
	path, tokenFile := filepath.Join(t.TempDir(), "mirror.yaml"), filepath.Join(t.TempDir(), "token")
	if err := errors.Join(clientcmd.WriteToFile(*fleet, path), os.WriteFile(tokenFile, []byte(sinkToken), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := start(t, "--clusters=kubeconfig:"+writeKubeconfig(t, c), "--clusters=kubeconfig:"+path, "--watch=configmaps?namespace="+ns,
		"--sink="+sink.URL+"/in?token-file="+tokenFile, "--admin-bind-address=127.0.0.1:0")
	r.await("both have failed", func() bool {
		s := r.program.status(time.Now())
		return r.cluster("mirror").LastError != "" && len(s.Sinks) == 1 && s.Sinks[0].LastError+fmt.Sprint(s.Sinks[0].Refused) != "[]"
	})

	kubelet := newFakeKubelet(t, c, ns)
	kubelet.log = "level=info msg=hello\nlevel=error msg=no password=" + logged + " header=\"Bearer " + logged + "-and-more\"\n"
	kubelet.run("fairlead-0", r.program.adminAddress.String(), map[string]string{"app.kubernetes.io/name": "fairlead"})
	bundle := filepath.Join(t.TempDir(), "b.tar.gz")
	out, err := plugin(t.Context(), "support-bundle", "-o", bundle, "-n", ns, "--kubeconfig", kubeconfigOf(t, c.Config()))
	if err != nil || !strings.Contains(out, "has 6 files; 0 things could not be got") {
		t.Fatalf("%q, %v", out, err)
	}
	files := unpack(t, bundle)
	var s api.Status
	if err := json.Unmarshal([]byte(files["fairlead-0/clusters.json"]), &s); err != nil || len(s.Clusters) != 2 {
		t.Errorf("clusters.json: %v\n%s", err, files["fairlead-0/clusters.json"])
	}
	var flags []api.Flag
	if err := json.Unmarshal([]byte(files["fairlead-0/flags.json"]), &flags); err != nil || len(flags) < 50 {
		t.Errorf("flags.json: %d flags, %v", len(flags), err)
	}
	for file, want := range map[string]string{
		"README.txt":              "Made by fairlead",
		"fairlead-0/version.json": `"go":`, "fairlead-0/readyz.txt": "ok", "fairlead-0/metrics.txt": "go_goroutines",
		"fairlead-0/log.txt": "msg=hello", "fairlead-0/clusters.json": "you sent", "fairlead-0/flags.json": "configmaps?namespace=" + ns,
	} {
		if !strings.Contains(files[file], want) {
			t.Errorf("%s has no %q:\n%s", file, want, files[file])
		}
	}
	for name, text := range files {
		for _, secret := range []string{memberToken, sinkToken, logged} {
			for _, as := range []string{secret, base64.StdEncoding.EncodeToString([]byte("Bearer " + secret))} {
				if strings.Contains(text, as) {
					t.Errorf("%s holds %s:\n%s", name, as, text)
				}
			}
		}
	}

	// Without Pods it is of the process itself, and of two there is one file less.
	direct := filepath.Join(t.TempDir(), "d.tar.gz")
	admin := "--admin=http://" + r.program.adminAddress.String()
	if out, err := command(t, "support-bundle", "-o", direct, admin); err != nil || !strings.Contains(out, "has 5 files") || len(unpack(t, direct)["process/flags.json"]) == 0 {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := command(t, "support-bundle", "-o", direct, admin); ExitCode(err) != 2 || !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file that is there: %v", err)
	}
	if _, err := command(t, "support-bundle", "-o", direct+"2", "--admin=http://127.0.0.1:1"); ExitCode(err) != 2 || !strings.Contains(err.Error(), "refused") {
		t.Errorf("of no program: %v", err)
	}
	if _, err := os.Stat(direct + "2"); err == nil {
		t.Error("an empty bundle is left behind")
	}
}
