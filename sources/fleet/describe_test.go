package fleet

import (
	"path/filepath"
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

func TestUnusableDescriptions(t *testing.T) {
	dir := t.TempDir()
	cert, key := keyPair(t)
	_, otherKey := keyPair(t)
	for name, text := range map[string]string{
		"ca.crt": cert, "tls.key": key, "other.key": otherKey, "empty": "", "blank": " \n", "garbage": "garbage " + secret,
	} {
		write(t, filepath.Join(dir, name), text)
	}
	const server = `server: "https://h:1"`
	for _, tc := range []struct{ name, cluster, user, want string }{
		{"no server", `tls-server-name: x`, ``, "server is not set"},
		{"bad server", `server: "https://` + secret + `:x"`, ``, "server is not a URL like https://HOST:PORT"},
		{"bad scheme", `server: "ftp://h:1"`, ``, "server is not a URL like https://HOST:PORT"},
		{"no host", `server: "https://"`, ``, "server is not a URL like https://HOST:PORT"},
		{"password in server", `server: "https://me:` + secret + `@h:1"`, ``, "server contains a user name"},
		{"bad proxy", server + `, proxy-url: "http://me:` + secret + `@h:x"`, ``, "proxy-url is not a URL like http://HOST:PORT"},
		{"bad proxy scheme", server + `, proxy-url: "ftp://me:` + secret + `@h"`, ``, "known schemes are http, https and socks5"},
		{"CA missing", server + `, certificate-authority: no/ca.crt`, ``, "certificate-authority " + dir + "/no/ca.crt: no such file or directory"},
		{"CA empty", server + `, certificate-authority: empty`, ``, "certificate-authority " + dir + "/empty: is empty"},
		{"CA is no certificate", server + `, certificate-authority: garbage`, ``, "certificates cannot be used: unable to load root certificates"},
		{"CA twice", server + `, certificate-authority: ca.crt, certificate-authority-data: eHh4`, ``, "certificate-authority and certificate-authority-data are both set; remove one"},
		{"CA and insecure", server + `, certificate-authority: ca.crt, insecure-skip-tls-verify: true`, ``, "certificates cannot be used: specifying a root certificates file with the insecure flag is not allowed"},
		{"certificate without key", server, `client-certificate: ca.crt`, "client-key-data or client-key must be specified for u"},
		{"another certificate's key", server, `client-certificate: ca.crt, client-key: other.key`, "private key does not match public key"},
		{"all files missing", server, `client-certificate: no.crt, client-key: no.key, tokenFile: no.token`,
			"client-certificate " + dir + "/no.crt: no such file or directory; client-key " + dir + "/no.key: no such file or directory; tokenFile " + dir + "/no.token: no such file or directory"},
		{"token file blank", server, `tokenFile: blank`, "tokenFile " + dir + "/blank: is empty"},
		{"token file is a directory", server, `tokenFile: .`, "tokenFile " + dir + ": is not a file but a directory"},
		{"two ways to authenticate", server, `token: ` + secret + `, username: x, password: ` + secret, "more than one authentication method found for u"},
		{"provider in this program", server, `auth-provider: {name: oidc, config: {client-id: x, idp-issuer-url: "https://h", refresh-token: ` + secret + `}}`, "auth-provider is for programs that people use"},
		{"plugin without command", server, `exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, env: [{name: X, value: ` + secret + `}]}`, "command must be specified for u"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(dir, "fleet.yaml")
			write(t, path, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {`+tc.cluster+`}}, {name: good, cluster: {`+server+`}}]
users: [{name: u, user: {`+tc.user+`}}]
contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: good, user: ""}}]
`)
			h := newHarness(t, "kubeconfig:"+path)
			wantCalls(t, "the good context", h.tick(), "set b")
			problems := h.Problems()
			if len(problems) != 1 {
				t.Fatalf("problems: %v", problems)
			}
			got := problems[0].Error()
			if !strings.HasPrefix(got, "file "+path+", context a: ") || !strings.Contains(got, tc.want) {
				t.Errorf("%s\nwant %s", got, tc.want)
			}
			if strings.Contains(got, "context \"only\"") {
				t.Errorf("%s names a context that is not the user's", got)
			}
		})
	}
}

func TestUsableDescriptions(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fleet.yaml")
	write(t, path, `apiVersion: v1
kind: Config
clusters:
- {name: plain, cluster: {server: "http://h:8080"}}
- {name: bare, cluster: {server: "h:8080"}}
- {name: path, cluster: {server: "https://h/k8s/clusters/c-1"}}
- {name: proxied, cluster: {server: "https://h", proxy-url: "socks5://me:`+secret+`@p:1", tls-server-name: x, disable-compression: true}}
- {name: insecure, cluster: {server: "https://h", insecure-skip-tls-verify: true}}
users: [{name: basic, user: {username: me, password: `+secret+`}}]
contexts:
- {name: plain, context: {cluster: plain, user: basic}}
- {name: bare, context: {cluster: bare, user: basic}}
- {name: path, context: {cluster: path, user: basic}}
- {name: proxied, context: {cluster: proxied, user: basic}}
- {name: insecure, context: {cluster: insecure, user: basic}}
- {name: "arn:aws:eks:eu-west-1:1:cluster/x", context: {cluster: path, user: basic}}
`)
	h := newHarness(t, "kubeconfig:"+path)
	h.tick()
	wantMessages(t, h, dir)
	if rc := h.members["plain"].REST; rc.Password != "" {
		t.Error("a password would go over the wire in the clear")
	}
	if rc := h.members["path"].REST; rc.Host != "https://h/k8s/clusters/c-1" || rc.Password != secret {
		t.Errorf("path: host %s", rc.Host)
	}
	if rc := h.members["proxied"].REST; rc.Proxy == nil || rc.ServerName != "x" || !rc.DisableCompression {
		t.Error("proxied: an option is lost")
	}
	if !h.members["insecure"].REST.Insecure {
		t.Error("insecure: the option is lost")
	}
	if _, ok := h.members["arn:aws:eks:eu-west-1:1:cluster/x"]; !ok {
		t.Error("an EKS context is refused")
	}
}

// undecodable holds contents that make decoders quote what they read.
var undecodable = []struct{ text, want string }{
	{secret, "is not a kubeconfig (why is not shown"},
	{"a: *" + secret, "is not valid YAML"},
	{"a: \"" + secret, "is not valid YAML"},
	{"a: [\nb: " + secret, "is not valid YAML: line 2 or the one before"},
	{"users: " + secret, "field users has the wrong type"},
	{"users: [{user: {token: [" + secret + "]}}]", "field users.user.token has the wrong type"},
	{"users: [{user: {client-key-data: " + secret + "!}}]", "the value of a field that ends in -data is not base64"},
	{"users: [{name: a, user: {token: " + secret + "}}, {name: a}]", `two of its users are called "a"`},
	{"clusters: [{name: a}, {name: a, cluster: {proxy-url: " + secret + "}}]", `two of its clusters are called "a"`},
	{"contexts: [{name: a}, {name: a}]", `two of its contexts are called "a"`},
	{"apiVersion: " + secret + "/" + secret + "/x\nkind: Config", "is not a kubeconfig (why is not shown"},
	{"apiVersion: v1\nkind: " + secret, "it has another apiVersion or kind than v1, Config"},
	{"", "is empty"},
	{" \n", "is empty"},
}

func TestDecodeErrorsQuoteNothing(t *testing.T) {
	for _, tc := range undecodable {
		_, err := parseKubeconfig("/dir/file", []byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the error quotes the content: %v", tc.text, err)
		}
	}
}

// FuzzKubeconfig feeds arbitrary kubeconfigs: none may crash the program, and
// none may show up in the message about it.
func FuzzKubeconfig(f *testing.F) {
	for _, tc := range undecodable {
		f.Add(tc.text)
	}
	f.Add(kubeconfig("a", "b") + "current-context: a\n")
	f.Add(`{"clusters":[{"name":"c"}],"contexts":[{"name":"a","context":{"cluster":"c"}}],"users":null}`)
	f.Add(`contexts: [{name: a, context: null}, null]`)
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := parseKubeconfig("/dir/file", []byte(text))
		if err != nil {
			// Names of entries are shown on purpose.
			if strings.Contains(err.Error(), secret) && !strings.Contains(err.Error(), "are called") {
				t.Errorf("the error quotes the content: %v", err)
			}
			return
		}
		all := &kubeconfigProvider{}
		for _, choose := range []func(*clientcmdapi.Config) []choice{all.choose, chooseCurrent, chooseOnly("x")} {
			for _, c := range choose(cfg) {
				if c.err != nil {
					continue
				}
				m, err := describe(cfg, nil, Description{Source: "file x", Context: c.context, Name: c.name})
				if (m == nil) == (err == nil) {
					t.Errorf("describe(%q) = %v, %v", c.context, m, err)
				}
			}
		}
		references(cfg)
	})
}
