package fleet

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// describeText reads a kubeconfig as it would come from a Secret.
func describeText(text string) (Description, error) {
	s := &corev1.Secret{Data: map[string][]byte{"kubeconfig": []byte(text)}}
	return describeSecret(secretFormats["kubeconfig"], s, Description{Name: "a", Source: "Secret x/a"})
}

// kubeconfigWith returns a kubeconfig with more fields in its cluster and user.
func kubeconfigWith(cluster, user string) string {
	text := kubeconfig("a")
	if cluster != "" {
		text = strings.Replace(text, "    server:", "    "+cluster+"\n    server:", 1)
	}
	if user != "" {
		text = strings.Replace(text, "    token: "+secret+"-a", "    "+user, 1)
	}
	return text
}

func TestKubeconfigFromTheHubIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"exec plugin", kubeconfigWith("", "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}"), `users["a-u"].exec would run a command`},
		{"auth provider", kubeconfigWith("", "auth-provider: {name: oidc, config: {}}"), `users["a-u"].auth-provider would run a command`},
		{"token file", kubeconfigWith("", "tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token"), `users["a-u"].tokenFile names a file`},
		{"token file beside a token", kubeconfigWith("", "token: "+secret+"\n    tokenFile: relative"), `users["a-u"].tokenFile names a file`},
		{"client certificate", kubeconfigWith("", "client-certificate: /etc/tls.crt"), `users["a-u"].client-certificate names a file`},
		{"client key", kubeconfigWith("", "client-key: /etc/tls.key"), `users["a-u"].client-key names a file`},
		{"authority", kubeconfigWith("certificate-authority: /etc/ca.crt", ""), `clusters["a-c"].certificate-authority names a file`},
		{"no verification", kubeconfigWith("insecure-skip-tls-verify: true", ""), `clusters["a-c"].insecure-skip-tls-verify is not allowed`},
		{"clear text", strings.Replace(kubeconfig("a"), "https://", "http://", 1), `clusters["a-c"].server does not begin with https://`},
		{"no scheme", strings.Replace(kubeconfig("a"), "https://", "", 1), `clusters["a-c"].server does not begin with https://`},
		{"user in the URL", strings.Replace(kubeconfig("a"), "https://", "https://u:"+secret+"@", 1), "server contains a user name"},
		{
			"in an entry that no context uses",
			strings.Replace(kubeconfig("a"), "users:\n", "users:\n- name: unused\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}}\n", 1),
			`users["unused"].exec would run a command`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := describeText(tc.text)
			if err == nil || f.Member != nil {
				t.Fatalf("accepted: %+v", f.Member)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q\nwant    %q", err, tc.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

func TestKubeconfigFromTheHubIsAccepted(t *testing.T) {
	cert, key := keyPair(t)
	data := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tc := range []struct{ name, text string }{
		{"token", kubeconfig("a")},
		{"password", kubeconfigWith("", "username: u\n    password: "+secret)},
		{"certificates", kubeconfigWith("certificate-authority-data: "+data(cert), "client-certificate-data: "+data(cert)+"\n    client-key-data: "+data(key))},
		{"impersonation", kubeconfigWith("", "token: "+secret+"\n    as: someone")},
		{"proxy", kubeconfigWith("proxy-url: http://proxy.example:3128", "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if f, err := describeText(tc.text); err != nil || f.Member == nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestSecretWithoutAClusterIsAProblem(t *testing.T) {
	for _, tc := range []struct {
		name, format string
		data         map[string]string
		want         string
	}{
		{"no key", "capi", map[string]string{"kubeconfig": kubeconfig("a")}, `has no key "value"`},
		{"empty", "kubeconfig", map[string]string{"kubeconfig": " \n"}, `the value of key "kubeconfig" is empty`},
		{"no YAML", "kubeconfig", map[string]string{"kubeconfig": secret + ": [" + secret}, `key "kubeconfig" is not valid YAML`},
		{"contexts to choose from", "kubeconfig", map[string]string{"kubeconfig": kubeconfig("a", "b")}, "has no current-context"},
		{"Argo CD: no server", "argocd", map[string]string{"name": "a", "config": "{}"}, `has no key "server"`},
		{"Argo CD: no JSON", "argocd", map[string]string{"server": "https://a.example", "config": secret}, `key "config" is not JSON`},
		{"Argo CD: a type", "argocd", map[string]string{"server": "https://a.example", "config": `{"bearerToken": {"` + secret + `": 1}}`}, "field bearerToken has the wrong type"},
		{"Argo CD: base64", "argocd", map[string]string{"server": "https://a.example", "config": `{"tlsClientConfig": {"caData": "` + secret + `%"}}`}, `key "config" is not JSON`},
		{"Argo CD: exec", "argocd", map[string]string{"server": "https://a.example", "config": `{"execProviderConfig": {"command": "sh"}}`}, "config.execProviderConfig would run a command"},
		{"Argo CD: AWS", "argocd", map[string]string{"server": "https://a.example", "config": `{"awsAuthConfig": {"clusterName": "x"}}`}, "config.awsAuthConfig would run a command"},
		{"Argo CD: no verification", "argocd", map[string]string{"server": "https://a.example", "config": `{"tlsClientConfig": {"insecure": true}}`}, "config.tlsClientConfig.insecure is not allowed"},
		{"Argo CD: clear text", "argocd", map[string]string{"server": "http://a.example", "config": `{}`}, `server does not begin with https://`},
		{"Argo CD: its own cluster", "argocd", map[string]string{"server": "https://kubernetes.default.svc", "config": `{"tlsClientConfig": {"insecure": false}}`}, "server is the hub itself, without credentials; use --include-hub=NAME"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &corev1.Secret{Data: map[string][]byte{}}
			for key, value := range tc.data {
				s.Data[key] = []byte(value)
			}
			f, err := describeSecret(secretFormats[tc.format], s, Description{Name: "a", Source: "Secret x/a"})
			if err == nil || f.Member != nil {
				t.Fatalf("accepted: %+v", f.Member)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("error %q\nwant    %q", err, tc.want)
			}
		})
	}
}

// A Secret may have a megabyte of names; what is told of it is short.
func TestWhatIsToldOfASecretIsBounded(t *testing.T) {
	const long = 100_000
	name := strings.Repeat("n", long)
	var users strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&users, "- name: u%d\n  user: {tokenFile: /x}\n", i)
	}
	for what, s := range map[string]*corev1.Secret{
		"context": {Data: map[string][]byte{"kubeconfig": []byte(kubeconfig(name))}},
		"choice":  {Data: map[string][]byte{"kubeconfig": []byte(kubeconfig(name, name+"2"))}},
		"users":   {Data: map[string][]byte{"kubeconfig": []byte(strings.Replace(kubeconfig("a"), "users:\n", "users:\n"+users.String(), 1))}},
		"name": {
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{annotationName: name}},
			Data:       map[string][]byte{"kubeconfig": []byte(kubeconfig("a"))},
		},
	} {
		found := newDescriptions("v1", "Secret").update([]metav1.Object{s}, func(o metav1.Object, f Description) (Description, error) {
			f.Name = cmp.Or(f.Name, "a")
			return describeSecret(secretFormats["kubeconfig"], s, f)
		})
		if f := found[0]; len(f.Name)+len(f.Context) > 2*maxNameBytes || f.Err != nil && len(f.Err.Error()) > maxReason+3 {
			t.Errorf("%s: %d bytes of name, %d of context, error %.100v", what, len(f.Name), len(f.Context), f.Err)
		} else if f.Member != nil && len(f.Member.Source) > 2*maxNameBytes {
			t.Errorf("%s: %d bytes of source", what, len(f.Member.Source))
		}
	}
}

func TestProblemsAreOneLine(t *testing.T) {
	first := errors.New("a")
	err := bounded(errors.Join(first, errors.New("b")))
	if err.Error() != "a; b" || !errors.Is(err, first) {
		t.Errorf("%q", err)
	}
	if bounded(first) != first || bounded(nil) != nil { //nolint:errorlint // The very same.
		t.Error("one that is short and on one line was changed")
	}
}
