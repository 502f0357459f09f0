package connection

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/pkg/apis/clientauthentication"
	clientgo "k8s.io/client-go/plugin/pkg/client/auth/exec"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/transport"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// pluginScript is a plugin that does what sh makes of a text.
func pluginScript(t *testing.T, text string) *clientcmdapi.ExecConfig {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell script")
	}
	path := filepath.Join(t.TempDir(), "plugin.sh")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", Command: path,
		Env: []clientcmdapi.ExecEnvVar{{Name: "KEY", Value: "secret-of-the-environment"}},
	}
}

// TestPluginSpeaksThroughUs: what a plugin writes to its standard error is in the
// log with its cluster, and the last line in the error; secrets are in neither,
// and nothing goes to this process's standard error.
func TestPluginSpeaksThroughUs(t *testing.T) {
	for version := range []int{0, 1} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr := os.Stderr
		os.Stderr = w
		var mu sync.Mutex
		var log strings.Builder
		srv := newServer(t, true)
		cfg := srv.rest()
		cfg.BearerToken = ""
		cfg.ExecProvider = pluginScript(t, `echo "warning: your SDK is out of date; token=supersecrettoken123456" >&2
printf 'a key: %s\r\n' "$KEY" >&2
echo "error: session of alice expired; password=hunter2hunter2" >&2
exit 3`)
		if version == 1 {
			cfg.ExecProvider.APIVersion = "client.authentication.k8s.io/v1beta1"
		}
		c := newConnection(t, Options{REST: cfg, Log: funcr.New(func(_, args string) {
			mu.Lock()
			defer mu.Unlock()
			log.WriteString(args + "\n")
		}, funcr.Options{})})
		stop := running(t, c)
		eventually(t, "it backs off", func() bool { return c.Status().State == member.BackingOff })
		stop()
		os.Stderr = stderr
		_ = w.Close()
		var raw bytes.Buffer
		_, _ = raw.ReadFrom(r)
		if raw.Len() > 0 {
			t.Errorf("on standard error: %s", raw.String())
		}
		got := c.Status().LastError
		if !strings.Contains(got, "exit code 3: error: session of alice expired; password=[redacted]") {
			t.Error(got)
		}
		mu.Lock()
		for _, want := range []string{`"cluster"="a" "line"="warning: your SDK is out of date; token=[redacted]"`, `"line"="a key: [redacted]"`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, log.String())
			}
		}
		for _, secret := range []string{"supersecret", "hunter2", "secret-of"} {
			if strings.Contains(log.String()+got, secret) {
				t.Errorf("%s is shown: %s %s", secret, got, log.String())
			}
		}
		mu.Unlock()
	}
}

func TestPluginLines(t *testing.T) {
	var told []string
	l := &pluginLines{tell: func(line string) string { told = append(told, line); return line }}
	_, _ = fmt.Fprint(l, "a\r\n\n  b ", strings.Repeat("x", 2*maxPluginLine), "\n")
	for i := range 20 {
		_, _ = fmt.Fprintln(l, "line", i)
	}
	_, _ = fmt.Fprint(l, "the end")
	l.end()
	if len(told) != maxPluginLines+1 || told[0] != "a" || len(told[1]) > maxPluginLine || told[10] != "(12 lines are left out) the end" || l.last != told[10] {
		t.Errorf("%d lines: %.100q, last %q", len(told), told, l.last)
	}
}

func TestWhatPluginsPrint(t *testing.T) {
	for text, want := range map[string]string{
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t0k3n"}}'`:      "",
		`echo '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"t0k3n"}}'`: "another version",
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{}}'`:                     "neither a token nor a certificate",
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}'`:                                 "no status",
		`echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"clientKeyData":"x"}}'`:  "only one of",
		`echo 't0k3n'`:              "no ExecCredential",
		`head -c 2000000 /dev/zero`: "more than 1048576 bytes",
		`exec /nonexistent/plugin`:  "exit code 12",
		`echo $KUBERNETES_EXEC_INFO | grep '"interactive":false' >/dev/null || exit 1; exit 7`: "exit code 7",
	} {
		p := pluginOf(&rest.Config{ExecProvider: pluginScript(t, text)}, nil, func(line string) string { return line })
		c, err := p.credentials(nil)
		p.stop()
		switch {
		case want == "" && (err != nil || c.token != "t0k3n"):
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "t0k3n")):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestPluginsThatMayNotRun(t *testing.T) {
	run := func(change func(*clientcmdapi.ExecConfig)) error {
		cfg := pluginScript(t, `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t0k3n"}}'`)
		change(cfg)
		p := pluginOf(&rest.Config{ExecProvider: cfg}, nil, func(line string) string { return line })
		defer p.stop()
		_, err := p.credentials(nil)
		return err
	}
	for want, change := range map[string]func(*clientcmdapi.ExecConfig){
		"": func(c *clientcmdapi.ExecConfig) {
			c.PluginPolicy = clientcmdapi.PluginPolicy{PolicyType: clientcmdapi.PluginPolicyAllowlist, Allowlist: []clientcmdapi.AllowlistEntry{{Command: c.Command}}}
		},
		"wants a terminal":   func(c *clientcmdapi.ExecConfig) { c.InteractiveMode = clientcmdapi.AlwaysExecInteractiveMode },
		"is not known":       func(c *clientcmdapi.ExecConfig) { c.APIVersion = "client.authentication.k8s.io/v1alpha1" },
		"does not allow it":  func(c *clientcmdapi.ExecConfig) { c.PluginPolicy.PolicyType = clientcmdapi.PluginPolicyDenyAll },
		"get it from a shop": func(c *clientcmdapi.ExecConfig) { c.Command, c.InstallHint = "/nonexistent", "get it from a shop" },
		"allowlist is non-nil": func(c *clientcmdapi.ExecConfig) {
			c.PluginPolicy.Allowlist = []clientcmdapi.AllowlistEntry{{Command: "other"}}
		},
		"policy \"Allowlist\"": func(c *clientcmdapi.ExecConfig) {
			c.PluginPolicy = clientcmdapi.PluginPolicy{PolicyType: clientcmdapi.PluginPolicyAllowlist, Allowlist: []clientcmdapi.AllowlistEntry{{Command: "other"}}}
		},
	} {
		if err := run(change); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestPluginIsAskedAgain: when what it said has expired, or was refused.
func TestPluginIsAskedAgain(t *testing.T) {
	noted := filepath.Join(t.TempDir(), "noted")
	cfg := pluginScript(t, `echo x >>`+noted+`
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-'$(wc -l <`+noted+` | tr -d ' ')'"}}'`)
	p := pluginOf(&rest.Config{ExecProvider: cfg}, nil, func(line string) string { return line })
	defer p.stop()
	first, err := p.credentials(nil)
	if err != nil || first.token != "token-1" {
		t.Fatal(first, err)
	}
	if again, err := p.credentials(nil); err != nil || again != first {
		t.Errorf("asked again without need: %v", err)
	}
	second, err := p.credentials(first)
	if err != nil || second.token != "token-2" {
		t.Error(second, err)
	}
	if again, err := p.credentials(first); err != nil || again != second {
		t.Errorf("asked again although that is not what was refused: %v", err)
	}
	second.expires = time.Now()
	if third, err := p.credentials(nil); err != nil || third.token != "token-3" {
		t.Error(third, err)
	}
	p.stop()
	if _, err := p.credentials(p.cached); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("ran although nobody asks any more: %v", err)
	}
}

// TestRotation: connections stay open when the plugin says the same certificate
// again, with another token or with none.
func TestRotation(t *testing.T) {
	said := func(token, cert string) *pluginCredentials {
		c := &pluginCredentials{token: token}
		if cert != "" {
			c.cert = &tls.Certificate{Certificate: [][]byte{[]byte(cert)}}
		}
		return c
	}
	for name, tt := range map[string]struct {
		before, after *pluginCredentials
		cut           bool
	}{
		"the first":                {nil, said("a", "x"), false},
		"another token":            {said("a", ""), said("b", ""), false},
		"the same certificate":     {said("a", "x"), said("b", "x"), false},
		"another certificate":      {said("a", "x"), said("a", "y"), true},
		"a certificate after none": {said("a", ""), said("a", "x"), true},
		"none any more":            {said("a", "x"), said("a", ""), true},
	} {
		c := &clients{dialer: newDialer(func(context.Context, string, string) (net.Conn, error) {
			one, other := net.Pipe()
			t.Cleanup(func() { _, _ = one.Close(), other.Close() })
			return one, nil
		})}
		if tt.before != nil {
			c.rotated(tt.before)
		}
		if _, err := c.dialer.DialContext(t.Context(), "tcp", "a.example:443"); err != nil {
			t.Fatal(err)
		}
		c.rotated(tt.after)
		if cut := len(c.dialer.open) == 0; cut != tt.cut {
			t.Errorf("%s: cut %t", name, cut)
		}
	}
}

// TestPluginIsRunAsByClientGo: it sees the same arguments, environment and
// standard input, whichever of both runs it.
func TestPluginIsRunAsByClientGo(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		for _, info := range []bool{false, true} {
			seen := filepath.Join(t.TempDir(), "seen")
			exec := pluginScript(t, `{ echo "$0 $*"; env | sort; cat; } >`+seen+`
echo '{"apiVersion":"client.authentication.k8s.io/`+version+`","kind":"ExecCredential","status":{"token":"t0k3n"}}'`)
			exec.APIVersion = "client.authentication.k8s.io/" + version
			exec.Args = []string{"get", "a token"}
			exec.InteractiveMode, exec.ProvideClusterInfo = clientcmdapi.NeverExecInteractiveMode, info
			exec.Env = append(exec.Env, clientcmdapi.ExecEnvVar{Name: "HOME", Value: "/elsewhere"})
			exec.Config = &apiruntime.Unknown{Raw: []byte(`{"audience":"a"}`), ContentType: "application/json"}
			cfg := &rest.Config{Host: "https://a.example/prefix", ExecProvider: exec}
			cfg.CAData, cfg.ServerName = []byte("a CA"), "b.example"

			p := pluginOf(copyREST(cfg), nil, func(line string) string { return line })
			defer p.stop()
			c, err := p.credentials(nil)
			if err != nil || c.token != "t0k3n" {
				t.Fatal(err)
			}
			ours, _ := os.ReadFile(seen)
			var cluster *clientauthentication.Cluster
			if info {
				if cluster, err = rest.ConfigToExecCluster(cfg); err != nil {
					t.Fatal(err)
				}
			}
			theirs, err := clientgo.GetAuthenticator(exec, cluster)
			if err != nil {
				t.Fatal(err)
			}
			var conf transport.Config
			if err := theirs.UpdateTransportConfig(&conf); err != nil {
				t.Fatal(err)
			}
			if _, err := conf.TLS.GetCertHolder.GetCert(); err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(seen)
			if len(want) == 0 || !bytes.Equal(ours, want) {
				t.Errorf("%s, %t:\n%s\nwant\n%s", version, info, ours, want)
			}
		}
	}
}
