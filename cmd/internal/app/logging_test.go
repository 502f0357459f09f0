package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDurationsAreLoggedWithTheirUnit(t *testing.T) {
	for format, want := range map[string]string{"json": `"timeout":"20s"`, "text": "timeout=20s"} {
		var out bytes.Buffer
		newLogger(&out, "info", format).Info("Asked to stop", "timeout", 20*time.Second)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %q, want %s", format, out.String(), want)
		}
	}
}

func TestCredentialsAreNotLogged(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.canary"
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := newLogger(&out, "info", format).WithValues("from", "https://u:canary@hub")
		log.Error(errors.New("malformed HTTP response: Bearer "+token), "It cannot be read")
		log.Info("It says", "what", token, "many", []string{"as it is"})
		if got := out.String(); strings.Contains(got, "canary") || strings.Count(got, "[redacted]") != 4 || !strings.Contains(got, "malformed") || !strings.Contains(got, "as it is") {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// panics is a value whose methods panic.
type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("as if") }

// Lists and structs may quote what others have sent, too. Those without credentials stay what
// they are.
func TestCredentialsInValuesAreNotLogged(t *testing.T) {
	const token = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.canary"
	type header struct {
		Name   string
		Values []string
		secret string // JSON has neither it
		Hidden string `json:"-"` // nor this
	}
	for _, format := range []string{"json", "text"} {
		for name, value := range map[string]any{
			"list": []string{"a", token}, "map": map[string]any{"headers": []any{token}}, "struct": header{Name: "kept", Values: []string{token}},
			"pointer": &header{Values: []string{token}}, "bytes": []byte(token), "unexported": header{Name: token, secret: token, Hidden: token}, "channel": struct {
				C    chan int
				Text string
			}{nil, token},
		} {
			var out bytes.Buffer
			newLogger(&out, "info", format).Info("It says", "what", value)
			if got := out.String(); strings.Contains(got, "canary") || !strings.Contains(got, "[redacted]") {
				t.Errorf("%s, %s: %s", format, name, got)
			}
		}
		var hidden bytes.Buffer
		newLogger(&hidden, "info", format).Info("It says", "what", header{Name: "kept", secret: "unexported", Hidden: token})
		if got := hidden.String(); strings.Contains(got, "canary") || format == "json" && !strings.Contains(got, `"what":{"Name":"kept","Values":null}`) {
			t.Errorf("%s: what JSON leaves out: %s", format, got)
		}
		var out bytes.Buffer
		newLogger(&out, "info", format).Info("It says", "what", panics{}, "list", []string{"pods", "secrets"})
		if got := out.String(); !strings.Contains(got, map[string]string{"json": `"level":"INFO"`, "text": "level=INFO"}[format]) {
			t.Error(got)
		}
		want := map[string]string{"json": `"list":["pods","secrets"]`, "text": `list="[pods secrets]"`}[format]
		if got := out.String(); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}
