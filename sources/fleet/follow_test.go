package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wantCalls(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: handler's calls (-want +got):\n%s", when, diff)
	}
}

func wantMessages(t *testing.T, h *harness, dir string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.messages(dir)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestKubeconfigIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fleet.yaml")
	write(t, path, kubeconfig("a", "b"))
	h := newHarness(t, "kubeconfig:"+path)

	wantCalls(t, "first poll", h.tick(), "set a", "set b")
	if got, want := h.members["a"].Source, "file "+path+", context a"; got != want {
		t.Errorf("Source = %q, want %q", got, want)
	}
	wantCalls(t, "nothing new", h.settle())

	write(t, path, kubeconfig("a", "b", "c"))
	wantCalls(t, "a change that one poll has seen", h.tick())
	wantCalls(t, "a change that two polls have seen", h.tick(), "set c")

	write(t, path, strings.Replace(kubeconfig("a", "c"), "https://a.", "https://moved.", 1))
	wantCalls(t, "b left, a moved", h.settle(), "remove b", "set a")
	if got := h.members["a"].REST.Host; got != "https://moved.example:6443" {
		t.Errorf("a is at %s", got)
	}

	remove(t, path)
	wantCalls(t, "missing once", h.tick())
	wantCalls(t, "missing twice", h.tick(), "remove a", "remove c")
	wantMessages(t, h, dir, "file fleet.yaml: does not exist or is empty")
	write(t, path, kubeconfig("a"))
	wantCalls(t, "back again", h.settle(), "set a")
	wantMessages(t, h, dir)
}

func TestReplacedFileRemovesNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	write(t, path, kubeconfig("a"))
	h := newHarness(t, "kubeconfig:"+path)
	h.settle()

	remove(t, path)
	wantCalls(t, "the editor has removed the old file", h.tick())
	write(t, path, kubeconfig("a"))
	wantCalls(t, "the editor has written the new one", h.settle())
}

func TestBrokenFileKeepsMembers(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "fleet.yaml"), filepath.Join(dir, "other.yaml")
	whole := kubeconfig("a", "b")
	write(t, path, whole)
	write(t, other, kubeconfig("z"))
	h := newHarness(t, "kubeconfig:"+path, "kubeconfig:"+other)
	wantCalls(t, "first poll", h.tick(), "set a", "set b", "set z")

	for _, tc := range []struct{ name, text, problem string }{
		{"truncated to nothing", "", "file fleet.yaml: is empty"},
		{"not YAML", "a: [\nb: " + secret, "file fleet.yaml: is not valid YAML: line 2 or the one before"},
		{"another kind", "apiVersion: v1\nkind: Secret\n", "file fleet.yaml: is not a kubeconfig: it has another apiVersion or kind than v1, Config"},
	} {
		write(t, path, tc.text)
		wantCalls(t, tc.name, h.settle())
		wantMessages(t, h, dir, tc.problem)
	}
	first := h.Problems()[0].Since
	h.settle()
	if got := h.Problems()[0].Since; !got.Equal(first) {
		t.Errorf("a lasting problem is since %v, then since %v", first, got)
	}

	// The other file goes on living meanwhile.
	write(t, other, kubeconfig("z", "y"))
	wantCalls(t, "other file", h.settle(), "set y")

	// Written piece by piece, every piece YAML by itself: no poll sees the same
	// twice until the file is complete.
	for i := range 8 {
		write(t, path, strings.Replace(whole, "https://a.example", "https://a.example"[:i+10], 1))
		wantCalls(t, "piece by piece", h.tick())
	}
	write(t, path, whole)
	wantCalls(t, "complete and as before", h.settle())
	wantMessages(t, h, dir)
}

func TestUnusableContextKeepsItsMember(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fleet.yaml")
	write(t, path, kubeconfig("a", "b"))
	h := newHarness(t, "kubeconfig:"+path+"?contexts=a,b,c")
	wantCalls(t, "first poll", h.tick(), "set a", "set b")
	const missing = `file fleet.yaml, context c: does not exist; the file has the contexts "a", "b"`
	wantMessages(t, h, dir, missing)

	write(t, path, strings.Replace(kubeconfig("a", "b"), "cluster: \"a-c\"", "cluster: gone", 1))
	wantCalls(t, "the context names a cluster that is not there", h.settle())
	wantMessages(t, h, dir, `file fleet.yaml, context a: names cluster "gone", which clusters does not list`, missing)

	write(t, path, kubeconfig("b", "c"))
	wantCalls(t, "the context is gone", h.settle(), "remove a", "set c")
}

func TestDirIsFollowed(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"one.yaml", "two.yml", "three.kubeconfig", "four.conf", "five", "six.eu.yaml"} {
		write(t, in(name), kubeconfig("ctx"))
	}
	for _, name := range []string{".hidden.yaml", "one.yaml~", ".one.yaml.swp", "x.swp", "y.tmp", "#one.yaml#"} {
		write(t, in(name), "not for us")
	}
	if err := os.MkdirAll(in("sub/dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("sub", in("link")); err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, "dir:"+dir)
	wantCalls(t, "first poll", h.tick(), "set five", "set four", "set one", "set six.eu", "set three", "set two")
	wantMessages(t, h, dir)

	write(t, in("seven.yaml"), strings.Replace(kubeconfig("ctx"), ".example:6443", ".ex", 1))
	wantCalls(t, "a new file, half written", h.tick())
	write(t, in("seven.yaml"), kubeconfig("ctx"))
	wantCalls(t, "a new file, complete, seen once", h.tick())
	wantCalls(t, "a new file, complete, seen twice", h.tick(), "set seven")

	remove(t, in("one.yaml"))
	write(t, in("two.yml"), kubeconfig("other"))
	wantCalls(t, "removed and changed, seen once", h.tick())
	wantCalls(t, "removed and changed, seen twice", h.tick(), "remove one", "set two")

	write(t, in("one.yaml"), kubeconfig("ctx"))
	wantCalls(t, "back again", h.settle(), "set one")

	// A directory in a file's place is no file.
	remove(t, in("five"))
	if err := os.Mkdir(in("five"), 0o700); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "a directory in a file's place", h.settle(), "remove five")
	wantMessages(t, h, dir)
}

func TestDirContexts(t *testing.T) {
	dir := t.TempDir()
	current := func(name string) string { return kubeconfig("x", "y") + fmt.Sprintf("current-context: %q\n", name) }
	write(t, filepath.Join(dir, "a.yaml"), current("y"))
	write(t, filepath.Join(dir, "b.yaml"), current("z"))
	write(t, filepath.Join(dir, "c.yaml"), kubeconfig("x", "y"))
	write(t, filepath.Join(dir, "d e.yaml"), kubeconfig("x"))
	write(t, filepath.Join(dir, "f.yaml"), kubeconfig())
	h := newHarness(t, "dir:"+dir)
	wantCalls(t, "first poll", h.tick(), "set a")
	if got := h.members["a"].REST.Host; got != "https://y.example:6443" {
		t.Errorf("a is at %s", got)
	}
	wantMessages(t, h, dir,
		`file b.yaml, context z: is the current-context but does not exist; the file has the contexts "x", "y"`,
		`file c.yaml: has no current-context, but the contexts "x", "y"; set current-context`,
		`file d e.yaml, context x: the cluster's name "d e" contains ' ', but white space and invisible characters are not allowed; rename it, for example with kubectl config rename-context`,
		`file f.yaml: has no current-context, but no contexts; set current-context`,
	)
	if p := h.Problems()[1]; p.Cluster != "c" {
		t.Errorf("the problem of c.yaml names cluster %q", p.Cluster)
	}
	write(t, filepath.Join(dir, "a.yaml"), current("nobody"))
	wantCalls(t, "a's context is lost", h.settle())
}

func TestMountedSecret(t *testing.T) {
	// As the kubelet lays it out: names link into ..data, which links to a
	// directory that is replaced as a whole.
	dir := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	generation := func(name string, files map[string]string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range files {
			write(t, filepath.Join(dir, name, file), text)
		}
	}
	generation("..1", map[string]string{"a.yaml": kubeconfig("x"), "b.yaml": kubeconfig("x")})
	link("..1", "..data")
	link("..data/a.yaml", "a.yaml")
	link("..data/b.yaml", "b.yaml")
	h := newHarness(t, "dir:"+dir)
	wantCalls(t, "first poll", h.tick(), "set a", "set b")

	generation("..2", map[string]string{"a.yaml": kubeconfig("y")})
	link("..2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "swapped, the old name still links nowhere", h.settle(), "remove b", "set a")
	wantMessages(t, h, dir, "file b.yaml: does not exist or is empty")
	remove(t, filepath.Join(dir, "b.yaml"))
	wantCalls(t, "swapped", h.settle())
	wantMessages(t, h, dir)
}

func TestUnreadableDirKeepsMembers(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "fleet")
	h := newHarness(t, "dir:"+dir)
	wantCalls(t, "no directory", h.settle())
	wantMessages(t, h, parent, "directory fleet: no such file or directory")

	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.yaml"), kubeconfig("x"))
	wantCalls(t, "the directory is there", h.settle(), "set a")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "the directory is away", h.settle())
	wantMessages(t, h, parent, "directory fleet: no such file or directory")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "the directory is back", h.settle())
	wantMessages(t, h, parent)
}

func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skip(err)
	}
	huge, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(maxFileBytes + 1); err != nil {
		t.Fatal(err)
	}
	if err := huge.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "text"), "just "+secret)
	h := newHarness(t, "dir:"+dir)
	wantCalls(t, "first poll", h.tick())
	wantMessages(t, h, dir,
		"file huge: is larger than 16 MiB",
		"file pipe: is not a file but a pipe",
		"file text: is not a kubeconfig (why is not shown, as it could quote a secret; kubectl config view --kubeconfig FILE tells)",
	)
}

func TestRotatedCredentials(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	cert, key := keyPair(t)
	cert2, key2 := keyPair(t)
	write(t, in("ca.crt"), cert)
	write(t, in("tls.crt"), cert)
	write(t, in("tls.key"), key)
	write(t, in("token"), secret)
	const text = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://h:1", certificate-authority: ca.crt}}]
users:
- {name: cert, user: {client-certificate: tls.crt, client-key: tls.key}}
- {name: token, user: {tokenFile: token}}
contexts:
- {name: cert, context: {cluster: c, user: cert}}
- {name: token, context: {cluster: c, user: token}}
`
	write(t, in("fleet.yaml"), text)
	h := newHarness(t, "kubeconfig:"+in("fleet.yaml"))
	wantCalls(t, "first poll", h.tick(), "set cert", "set token")

	tls := h.members["cert"].REST.TLSClientConfig
	if tls.CAFile+tls.CertFile+tls.KeyFile != "" || string(tls.CAData) != cert || string(tls.KeyData) != key {
		t.Errorf("certificates are not in the member as data: %v", tls)
	}
	if rc := h.members["token"].REST; rc.BearerTokenFile != in("token") || rc.BearerToken != "" {
		t.Errorf("token file %q, token set: %v", rc.BearerTokenFile, rc.BearerToken != "")
	}

	write(t, in("token"), secret+"2")
	wantCalls(t, "client-go follows tokens by itself", h.settle())
	write(t, in("ca.crt"), cert+cert2)
	wantCalls(t, "new CA", h.settle(), "set cert", "set token")

	write(t, in("tls.crt"), cert2)
	wantCalls(t, "half a key pair", h.settle())
	wantMessages(t, h, dir, "file fleet.yaml, context cert: certificates cannot be used: tls: private key does not match public key")
	write(t, in("tls.key"), key2)
	wantCalls(t, "the other half", h.settle(), "set cert")
	wantMessages(t, h, dir)

	remove(t, in("tls.key"))
	remove(t, in("token"))
	wantCalls(t, "files are missing", h.settle())
	wantMessages(t, h, dir,
		"file fleet.yaml, context cert: client-key "+"tls.key: no such file or directory",
		"file fleet.yaml, context token: tokenFile "+"token: no such file or directory")
}

func TestOnlyRealChangesAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	const format = `apiVersion: v1
kind: Config
# %[1]d
clusters: [{name: c%[1]d, cluster: {server: "https://h:1", extensions: [{name: x, extension: {n: %[1]d}}%[2]s]}}]
users: [{name: u%[1]d, user: {%[3]s}}]
contexts: [{name: a, context: {cluster: c%[1]d, user: u%[1]d, namespace: n%[1]d}}]
current-context: c%[1]d
`
	const exec = `exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Never}`
	write(t, path, fmt.Sprintf(format, 1, "", "token: "+secret))
	h := newHarness(t, "kubeconfig:"+path)
	wantCalls(t, "first poll", h.tick(), "set a")
	for _, tc := range []struct {
		what, extension, user string
		want                  []string
	}{
		{"names, namespace, comment, foreign extension", "", "token: " + secret, nil},
		{"token", "", "token: " + secret + "2", []string{"set a"}},
		{"impersonation", "", "as: z, token: " + secret + "2", []string{"set a"}},
		{"credential plugin", "", exec, []string{"set a"}},
		{"the plugin's extension", ", {name: client.authentication.k8s.io/exec, extension: {audience: x}}", exec, []string{"set a"}},
		{"the plugin's extension again", ", {name: client.authentication.k8s.io/exec, extension: {audience: y}}", exec, []string{"set a"}},
		{"the same", ", {name: client.authentication.k8s.io/exec, extension: {audience: y}}", exec, nil},
	} {
		write(t, path, fmt.Sprintf(format, len(tc.what), tc.extension, tc.user))
		wantCalls(t, tc.what, h.settle(), tc.want...)
	}
	if !h.members["a"].REST.ExecProvider.StdinUnavailable {
		t.Error("a credential plugin may ask at the terminal")
	}
}
