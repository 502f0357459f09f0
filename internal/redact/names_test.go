package redact

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestFormsOfSecrets: each has hunter2, which is not shown, and user7, which is.
func TestFormsOfSecrets(t *testing.T) {
	for _, in := range []string{
		// Names.
		"PassWord: hunter2\nuser7", "PASS_WORD=hunter2 user7", "pass-word: hunter2\nuser7", "pass.word: hunter2\nuser7", "DB_PASS=hunter2 user7",
		"pwd: hunter2\nuser7", "PGPASSWORD=hunter2 user7", "API_KEY: hunter2\nuser7", "api.key=hunter2 user7", "access_key=hunter2 user7",
		"clientKeyData: hunter2\nuser7", "    client-key-data: hunter2\n    user7", "--set db.password=hunter2 user7", "-Ddb.password=hunter2 user7",
		"example.com/token: hunter2\nuser7", "X-Vault-Token: hunter2\nuser7", "https://h/x?X-Amz-Signature=hunter2&b=user7", "?sig=hunter2&se=user7",
		`{"my token (old)":"hunter2","password=hunter2":"x","x":"user7"}`, "password := \"hunter2\" user7", "password => hunter2 user7",

		// Values.
		"a: {password: hunter2 hunter2, user: user7}", "{password: hunter2, user: user7}", "[{token: hunter2 hunter2}, user7]", "{user: user7, token : hunter2 hunter2}",
		"password=hunter2,hunter2;hunter2 user7", "password=hunter2,user=user7", "tokens=hunter2,hunter2, user7",
		"password: &a hunter2\nuser7: *a", "password: !!binary |\r\n  hunter2\r\n  hunter2\r\nuser7", "password: hunter2 hunter2\r\nuser7",
		"---\npassword: >-\n\n    hunter2\n  hunter2\n---\nuser7", "password:\n\n  hunter2\nuser7", "password: |  # " + strings.Repeat("x", 300) + "\n  hunter2\nuser7",
		"config: '{\"password\":\"hunter2\"}' # user7", "config: |\n  {\"password\":\n   \"hunter2\"}\nuser7", "# password: hunter2\n# user7",

		// Headers.
		"Authorization: Bearer hunter2\nuser7", "Authorization: Basic hunter2==\nuser7", "Authorization: Splunk hunter2\nuser7", "Proxy-Authorization: Negotiate hunter2\nuser7",
		"x authorization: AWS4-HMAC-SHA256 Credential=hunter2/x, SignedHeaders=host, Signature=hunter2\nuser7", "map[Authorization:[Bearer hunter2] X:[user7]]",
		"Cookie: a=hunter2; b=hunter2\nuser7", "x Set-Cookie: a=hunter2; Path=/\nuser7", `{"Authorization":["Bearer hunter2"],"x":"user7"}`, "-H 'Authorization: Token hunter2' user7",

		// Flags.
		"--password=hunter2 user7", "--password hunter2 user7", "-token 'hunter2 hunter2' user7", `["--password","hunter2","user7"]`, `{"args":["--db-password", "hunter2", "--user7"]}`,
		"args: [--password, hunter2, --user7]", "args:\n- --password\n- hunter2\n- --user7", `args: ["--password", "hunter2", user7`, "\"value\": \"[--password hunter2 user7]\"",

		// Names and values.
		"env:\n- name: DB_PASSWORD\n  value: hunter2 hunter2\n- name: user7", "- name: TOKEN\n  value: |\n    hunter2\n  x: user7", `- name: "TOKEN"` + "\n  value: 'hunter2'\n- user7",
		`{"env":[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"X","value":"user7"}]}`, `{"value":"hunter2","name":"DB_PASSWORD","x":"user7"}`, `{"Key":"token","Value":{"a":["hunter2"]},"x":"user7"}`,
		"[{name: DB_PASSWORD, value: hunter2}, user7]", `x [{"name":"DB_PASSWORD","value":"hunter2"},{"name":"user7"}`, "EnvVar{Name:DB_PASSWORD,Value:hunter2,} user7", `<add name="DB_PASSWORD" value="hunter2"/> user7`,
		"2026-11-28T01:02:03.123456789Z - name: TOKEN\n2026-11-28T01:02:03.123456789Z   value: hunter2\n2026-11-28T01:02:03.123456789Z - user7",

		// Looks.
		"https://user:hunter2@hunter2@user7/x", "amqp://u:hunter2@user7", "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.hunter2 user7",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\nhunter2\n-----END PGP PRIVATE KEY BLOCK----- user7", "-----BEGIN USER NKEY SEED-----\nhunter2\n------END USER NKEY SEED------ user7",
		"-----BEGIN PRIVATE KEY-----\nhunter2\n\" user7 -----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
		"https://hooks.slack.com/services/T00000000/B00000000/hunter2 user7", "ghp_hunter2abcdefghijklmnopqrs user7", "whsec_hunter2PhkQ9r8GKYqrTwjU== user7",
	} {
		encoded, err := json.Marshal(map[string]any{"err": in, "n": []any{1}})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{in, string(encoded), "x\n2026-11-28T01:02:03.123456789Z " + string(encoded) + "\ny"} {
			got := New().CleanAll(in)
			if strings.Contains(got, "hunter2") || !strings.Contains(got, "user7") || !strings.Contains(got, Redacted) {
				t.Errorf("of\n%s\nit shows\n%s", in, got)
			}
			if again := New().CleanAll(got); again != got {
				t.Errorf("again, %s\nis\n%s", got, again)
			}
		}
	}
	for _, key := range []string{"AKIAIOSFODNN7EXAMPLE", "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"} {
		if got := New().Clean("a " + key + " b"); got != "a [redacted] b" {
			t.Error(got)
		}
	}
}

// TestHarmlessTexts stay as they are.
func TestHarmlessTexts(t *testing.T) {
	for _, in := range []string{
		`secrets "edge-1" is forbidden: User "system:serviceaccount:fleet:x" cannot get resource "secrets" in API group "" in the namespace "fleet"`,
		`{"error":"Secret \"edge-1\": data: no kubeconfig"}`, "secret fleet/edge-1: no key kubeconfig", "secret:fleet/edge-1: no key kubeconfig", "secrets:fleet-prod",
		"open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory", `Get "https://1.2.3.4:6443/api/v1/secrets?limit=500&resourceVersion=0": dial tcp: i/o timeout`,
		"https://1.2.3.4/api/v1/secrets/x?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTIzfQ", "api/v1/secrets: list failed: timeout after 30s", "resource=v1/secrets: watch ended",
		`{"counts":{"v1/secrets":123456,"v1/pods":1234}}`, `{"rights":[{"resource":"secrets","verbs":["get"]}]}`, `{"resource":"secrets","state":"streaming"}`, "resources: [secrets, configmaps]",
		"get https://secrets.example.com:8443/secrets/x: forbidden", "fleet/secrets.go:123: x", "main.x()\n\t/src/token.go:1234 +0x1d\n", "open secret.yaml: is a directory",
		"the token is expired: log in again", `password authentication failed for user "u" (SQLSTATE 28P01)`, "password policy: at least 12 characters", "a token expired", "basic authentication is not supported",
		`WWW-Authenticate: Bearer realm="x"`, "# HELP fairlead_tokens Tokens: how many are left\nfairlead_tokens{cluster=\"a\"} 1234\n",
		"secretRef: fleet/edge-1", "secretKeyRef:\n  name: x\n  key: y\n", "passwordSecretRef: {name: db, key: pw}", "secretName: edge", "passwordFile: /run/x", `["--token-file","/run/token"]`, "- name: TOKEN_FILE\n  value: /run/x",
		"automountServiceAccountToken: false", `{"name":"include-secret-values","value":"false"}`, `["--password","--user"]`, "--include-secret-values needs a file", "token_count=1234", "tokenExpiresAt: 2026-11-28T01:02:03Z",
		`{"credential":"file","credentialIssued":"2026-11-28T01:02:03Z"}`, "https://example.com/a/b@v1.2.3", "git@github.com:x/y", "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
		`[{"name":"edge","value":"x"},{"key":"y","value":12345}]`, "monkey: banana", "bypass: enabled", "cluster: passau",
	} {
		if got := New().CleanAll(in); got != in {
			t.Errorf("%s\nbecomes\n%s", in, got)
		}
	}
}

// TestKnownSecretsInOtherLanguages: quotes and other characters of one are escaped there.
func TestKnownSecretsInOtherLanguages(t *testing.T) {
	const secret = "a\"b\\c&d<e>\nf g/h"
	r := New(secret)
	once, err := json.Marshal(map[string]string{"x": "a " + secret + " b"})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := json.Marshal([]string{string(once)})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		string(once): `{"x":"a [redacted] b"}`, string(twice): `["{\"x\":\"a [redacted] b\"}"]`, "E " + string(once): `E {"x":"a [redacted] b"}`,
		`err="a a\"b\\c&d<e>\nf g/h b"`: `err="a [redacted] b"`, "/a%22b%5Cc&d%3Ce%3E%0Af%20g%2Fh/x": "/[redacted]/x",
	} {
		if got := r.CleanAll(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestManyKeysBegin takes time in proportion to the length of the text. In the square of it,
// that would be longer than tests may take.
func TestManyKeysBegin(t *testing.T) {
	const part, n = "-----BEGIN PRIVATE KEY-----!", 1 << 15
	if got, want := New().Clean(strings.Repeat(part, n)), strings.Repeat(Redacted+"!", n); got != want {
		t.Errorf("%d bytes are left, not %d", len(got), len(want))
	}
}

// BenchmarkCleanAll cleans the log of a Pod as JSON, as text, and metrics.
func BenchmarkCleanAll(b *testing.B) {
	const at = "2026-11-28T01:02:03.123456789Z "
	for name, line := range map[string]string{
		"JSON":    at + `{"time":"2026-11-28T01:02:03.123Z","level":"INFO","msg":"Stream is live","logger":"sources","cluster":"edge-17","resource":"v1/secrets","from":"12345678","reason":"Get \"https://10.0.0.17:6443/api/v1/secrets?watch=true\": EOF"}` + "\n",
		"text":    at + `level=INFO msg="Stream is live" logger=sources cluster=edge-17 resource=v1/secrets from=12345678 reason="Get \"https://10.0.0.17:6443/api/v1/secrets?watch=true\": EOF"` + "\n",
		"metrics": `fairlead_stream_events_total{cluster="edge-17",resource="v1/secrets",kind="modified"} 1.2345e+06` + "\n",
	} {
		text := strings.Repeat(line, (1<<20)/len(line))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			r := New("canary-0123456789")
			for b.Loop() {
				r.CleanAll(text)
			}
		})
	}
}
