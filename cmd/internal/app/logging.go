package app

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

func parseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is none of debug, info, warn, error", s)
}

// newLeveledLogger returns a logger that writes to w. The format has been checked. What looks
// like a credential is left out: errors of the hub's clients, and of others that know nothing of
// credentials, may quote what a server has sent back.
func newLeveledLogger(w io.Writer, level slog.Leveler, format string) logr.Logger {
	clean, write := redact.New().Clean, writing(plainly)
	if format == "json" {
		write = asJSON
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return loggable(a, clean, write) }}
	if format == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(w, o))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, o))
}

// loggable returns what is logged of a value: a text or an error without credentials, a list or
// another value as a text if there are credentials in it, and a duration with its unit, where JSON
// would have a number of nanoseconds that looks like one of something else. What another value is as
// a text, write tells: it does as the handler would.
func loggable(a slog.Attr, clean func(string) string, write writing) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindString:
		a.Value = slog.StringValue(clean(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case error:
			a.Value = slog.StringValue(clean(textOf(v)))
		case []byte:
			a.Value = slog.StringValue(clean(string(v)))
		case slog.Level, nil: // of each line; it quotes nobody
		default:
			if text, changed := cleaned(v, clean, write); changed {
				a.Value = slog.StringValue(text)
			}
		}
	}
	return a
}

// cleaned returns a value as a text without credentials, and whether that is to be logged in its
// place: there were some in it, or the handler cannot write it.
func cleaned(v any, clean func(string) string, write writing) (text string, changed bool) {
	defer func() {
		if recover() != nil { // a method of v
			text, changed = fmt.Sprintf("a value of type %T that cannot be shown", v), true
		}
	}()
	written, ok := write(v)
	text = clean(written)
	return text, !ok || text != written
}

// writing returns a value as a handler writes it, and whether the handler can; else as fmt does.
type writing func(v any) (text string, ok bool)

// asJSON is the writing of the JSON handler: without the fields that JSON leaves out.
func asJSON(v any) (text string, ok bool) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprintf("%+v", v), false
	}
	return strings.TrimSuffix(b.String(), "\n"), true
}

// plainly is the writing of the text handler.
func plainly(v any) (text string, ok bool) {
	if m, is := v.(encoding.TextMarshaler); is {
		if text, err := m.MarshalText(); err == nil {
			return string(text), true
		}
		return fmt.Sprintf("%+v", v), false
	}
	return fmt.Sprintf("%+v", v), true
}

// textOf returns what an error says. One that cannot say it, such as a nil pointer, is no
// reason to end the program.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T that cannot be shown", err)
		}
	}()
	return err.Error()
}
