package app

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

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
	clean := redact.New().Clean
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return loggable(a, clean) }}
	if format == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(w, o))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, o))
}

// loggable returns what is logged of a value: a text or an error without credentials, a list or
// another value as a text if there are credentials in it, and a duration with its unit, where JSON
// would have a number of nanoseconds that looks like one of something else.
func loggable(a slog.Attr, clean func(string) string) slog.Attr {
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
		default:
			if text, changed := cleaned(v, clean); changed {
				a.Value = slog.StringValue(text)
			}
		}
	}
	return a
}

// cleaned returns a value as a text without credentials, and whether there were any in it: as JSON
// or, where that has none or fails, as fmt writes it.
func cleaned(v any, clean func(string) string) (text string, changed bool) {
	defer func() {
		if recover() != nil { // a method of v
			text, changed = fmt.Sprintf("a value of type %T that cannot be shown", v), true
		}
	}()
	if encoded, err := json.Marshal(v); err == nil {
		if text := clean(string(encoded)); text != string(encoded) {
			return text, true
		}
	}
	written := fmt.Sprintf("%+v", v)
	text = clean(written)
	return text, text != written
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
