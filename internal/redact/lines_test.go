package redact

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestYAML: also in a log, in a string of Go or JSON, and in one in that.
func TestYAML(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"block", "a: 1\npassword: |\n  hunter2\n\n  canary\nuser: u", "a: 1\npassword: [redacted]\nuser: u"},
		{"folded", "x:\n  db.password: !!str >-2 # text\n      hunter2\n     canary\n  user: u\n", "x:\n  db.password: [redacted]\n  user: u\n"},
		{"block in a list", "- password: |+\n    hunter2\n  user: u\n- token: hunter2 canary\n  n: 1\n", "- password: [redacted]\n  user: u\n- token: [redacted]\n  n: 1\n"},
		{"quoted key", "\"password\": |\n  hunter2\n'token':\n- canary\nuser: u", "\"password\": [redacted]\n'token': [redacted]\nuser: u"},
		{"empty block", "password: |\nuser: u\n", "password: |\nuser: u\n"},
		{"list", "x:\n  tokens:\n  - hunter2\n  - a: canary\n    b: canary\n  user: u", "x:\n  tokens: [redacted]\n  user: u"},
		{"indented list", "tokens:\n  - hunter2\n\n  - canary\nuser: u", "tokens: [redacted]\nuser: u"},
		{"mapping", "secret:\n  value: hunter2\nuser: u", "secret: [redacted]\nuser: u"},
		{"flow", "tokens: [hunter2, 'a ] b', \"canary\"] # x\nn: 1", "tokens: [redacted]\nn: 1"},
		{"flow of lines", "tokens: [hunter2,\n  canary\n]\nuser: u", "tokens: [redacted]\n]\nuser: u"},
		{"plain", "passphrase: hunter2, canary\n  canary\nuser: u", "passphrase: [redacted]\nuser: u"},
		{"quotes", "password: 'it''s hunter2\n  canary'\nuser: u", "password: [redacted]\nuser: u"},
		{"quoted key and lines", "\"password\": \"hunter2\n  canary\"\nuser: u", "\"password\": \"[redacted]\nuser: u"},
		{"no secret", "tokenFile: |\n  /run/t\ntoken: null\nsecrets:\nuser: u", "tokenFile: |\n  /run/t\ntoken: null\nsecrets:\nuser: u"},
	} {
		stamped := func(s string) string {
			const at = "2026-11-28T01:02:03.123456789Z "
			return at + strings.ReplaceAll(s, "\n", "\n"+at)
		}
		inJSON := func(s string) string {
			encoded, err := json.Marshal(map[string]string{"err": s})
			if err != nil {
				t.Fatal(err)
			}
			return string(encoded)
		}
		for disguise, in := range map[string]func(string) string{
			"plain":             func(s string) string { return s },
			"stamped":           stamped,
			"string":            func(s string) string { return "msg=x err=" + strconv.Quote(s) + " user=u\n" },
			"string in string":  func(s string) string { return "err=" + strconv.Quote("a "+strconv.Quote(s)) + " user=u" },
			"JSON":              inJSON,
			"JSON in JSON":      func(s string) string { return inJSON(inJSON(s)) },
			"a line of a log":   func(s string) string { return "x\n" + stamped(inJSON(s)) + "\ny" },
			"after other words": func(s string) string { return "E1128 refused:\n" + s },
		} {
			got, want := New().CleanAll(in(test.in)), in(test.want)
			if strings.ContainsAny(test.in, "'\"") && strings.HasPrefix(disguise, "string") {
				want = got // quotes of several kinds in one another: only what is secret counts
			}
			if got != want {
				t.Errorf("%s, %s:\n%s\nwant\n%s", test.name, disguise, got, want)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "canary") {
				t.Errorf("%s, %s: it shows\n%s", test.name, disguise, got)
			}
			if again := New().CleanAll(got); again != got {
				t.Errorf("%s, %s: again, it is\n%s", test.name, disguise, again)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"tokens":["hunter2", "canary"],"n":[1]}`:                                `{"tokens":["[redacted]", "[redacted]"],"n":[1]}`,
		`{"tokens": [ ], "a":[{"token":{"v":"hunter2","name":"n"}}, {}]}`:         `{"tokens": [ ], "a":[{"token":{"v":"[redacted]","name":"n"}}, {}]}`,
		`{"secrets":[["hunter2",12345,true,{"n":{"a":"canary"}}]],"x":"<&>"}`:     `{"secrets":[["[redacted]","[redacted]",true,{"n":{"a":"[redacted]"}}]],"x":"<&>"}`,
		"{\n \"tokens\": [\n  \"hunter2\",\n  \"a\"\n ],\n \"x\": 1\n}":           "{\n \"tokens\": [\n  \"[redacted]\",\n  \"[redacted]\"\n ],\n \"x\": 1\n}",
		`E1128 400: {"tokens":["hunter2","a ] \" b",{"b":["canary"]}],"n":12345}`: `E1128 400: {"tokens":"[redacted]","n":12345}`,
		`err="{\"tokens\":[\"hunter2\",\"canary\"],\"n\":1}" x=1`:                 `err="{\"tokens\":\"[redacted]\",\"n\":1}" x=1`,
		`err="tokens: [hunter2, canary" x=1`:                                      `err="tokens: [redacted]" x=1`,
		"400: {\n  \"tokens\": [\n    \"hunter2\",\n    \"canary\"":               "400: {\n  \"tokens\": \"[redacted]\"",
	} {
		if got := New().CleanAll(in); got != want {
			t.Errorf("%s:\n%s, want\n%s", in, got, want)
		}
	}
}

func FuzzCleanAllKeepsJSON(f *testing.F) {
	f.Add("password", "hunter2", `{"token":"x"}`)
	f.Add("secret", `a"\`, "{\"api-key\": 12345, \"err\":\"{\\\"token\\\":\\\"abc")
	f.Add("tokens: [", "tokens: {", "password: |\n  a\\n\n - token:\n- [a, \"")
	f.Fuzz(func(t *testing.T, name, value, text string) {
		for _, v := range []any{
			map[string]any{name: value, "err": text}, map[string]any{"password": value, "n": text, "secret": 12345},
			[]any{map[string]any{"tokens": []any{value, 1, map[string]any{name: text}}}, name, text, nil},
		} {
			encoded, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if got := New().CleanAll(string(encoded)); !json.Valid([]byte(got)) {
				t.Errorf("%s: %s", encoded, got)
			}
		}
	})
}

// FuzzNoSecretIsShown writes a secret of several lines in each way that YAML and JSON have, and
// looks for its words.
func FuzzNoSecretIsShown(f *testing.F) {
	f.Add("password", "hunter2", "", uint8(0))
	f.Add("api-key", " a: b", "\n\n# c", uint8(1))
	f.Add("db.token", "- 'x'", " \n  - \"y\": |", uint8(2))
	f.Add("-token", "\U00058d98", "0", uint8(1))
	f.Add("0.token.t", "0", " \n0\"0\"", uint8(0))
	f.Add("secret", "[a, {", "\n]}\t'", uint8(3))
	f.Add("DB_PASS", "- ", ": |\n x", uint8(7))
	f.Add("x/Authorization", "Basic ", ",a=b;", uint8(13))
	f.Add("api.key", "{a: ", "&b=\\", uint8(14))
	f.Fuzz(func(t *testing.T, name, before, after string, how uint8) {
		if !isSecret(name) || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-./") != "" {
			t.Skip()
		}
		const canary = "cAnArY7"
		value := before + canary + "0\n" + canary + "1" + after + " " + canary + "2"
		style := []yaml.Style{0, yaml.LiteralStyle, yaml.FoldedStyle, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.FlowStyle}[how%6]
		text := func(s string) *yaml.Node {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: style}
		}
		secret := text(value)
		if how/6%3 > 0 {
			secret = &yaml.Node{Kind: yaml.SequenceNode, Style: style & yaml.FlowStyle, Content: []*yaml.Node{secret, text(value)}}
		}
		if how/6%3 > 1 {
			secret.Content = append(secret.Content, &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("n"), text(value)}})
		}
		pair := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: name}, secret, {Kind: yaml.ScalarNode, Value: "user"}, {Kind: yaml.ScalarNode, Value: "u"}}}
		env := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "name"}, {Kind: yaml.ScalarNode, Value: name}, {Kind: yaml.ScalarNode, Value: "value"}, secret}}
		list := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{pair, env, pair}}
		inYAML, err := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "x"}, list}})
		if err != nil {
			t.Skip(err)
		}
		inJSON, err := json.Marshal(map[string]any{
			name: []any{value, map[string]any{"v": value}}, "err": string(inYAML),
			"env": map[string]any{"name": name, "value": value}, "reversed": json.RawMessage(fmt.Sprintf(`{"value":%q,"name":%q}`, canary, name)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{string(inYAML), string(inJSON), fmt.Sprintf("level=info err=%q", inYAML), "2026-11-28T01:02:03Z " + string(inJSON) + "\n"} {
			if got := New().CleanAll(in); strings.Contains(got, canary) {
				t.Errorf("of\n%s\nit shows\n%s", in, got)
			}
		}
	})
}

// FuzzNoQuotedSecretIsShown assigns a secret in single quotes, as shells and programs write it,
// behind what else is on its line, and looks for its words. The secret may have double quotes.
func FuzzNoQuotedSecretIsShown(f *testing.F) {
	f.Add("", "a\"", "", uint8(0))
	f.Add("user='a\"b' ", "", "\"", uint8(1))
	f.Add(`a="b\"c" `, `\`, `\"x`, uint8(2))
	f.Add("it isn't ", "\"\"", " ", uint8(3))
	f.Fuzz(func(t *testing.T, line, before, after string, how uint8) {
		const canary = "cAnArY7"
		secret := before + canary + "0\"" + canary + "1" + after + canary + "2"
		if strings.ContainsAny(secret+line, "'\n\r") || strings.Contains(secret, `\`) {
			t.Skip() // it ends there
		}
		if opens(line) || strings.HasPrefix(secret, "-") {
			t.Skip() // a double quote ends it; after --token it is a flag
		}
		text := line + " " + []string{"password='%s'", "--token '%s'", "api_key: '%s'", "{'secret': '%s'}"}[how%4]
		text = fmt.Sprintf(strings.ReplaceAll(text[:len(line)], "%", "%%")+text[len(line):], secret) + " user7"
		inJSON, err := json.Marshal(map[string]string{"err": text})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{text, string(inJSON), "level=info err=" + strconv.Quote(text), "level=info err=" + strconv.Quote(strconv.Quote(text))} {
			got := New().CleanAll(in)
			if strings.Contains(got, canary) {
				t.Errorf("of\n%s\nit shows\n%s", in, got)
			}
			if again := New().CleanAll(got); again != got {
				t.Errorf("again,\n%s\nis\n%s", got, again)
			}
		}
	})
}

// opens reports whether a text in double quotes is open at the end of a line.
func opens(line string) bool {
	return (&around{s: line}).at(len(line)) != 0
}
