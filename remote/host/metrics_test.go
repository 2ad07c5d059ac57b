package host

import (
	"bufio"
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pss/config"
	"pss/remote/api"
)

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"`)
)

// checkExposition reads Prometheus' text format as strictly as it is written down: each
// family has one HELP and one TYPE before its samples, which stand together; names and
// labels are such; no series is there twice; each value is a number; the last line ends.
func checkExposition(text []byte) (series map[string]float64, err error) {
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, fmt.Errorf("the last line does not end")
	}
	series = map[string]float64{}
	help, kind := map[string]bool{}, map[string]string{}
	family := ""
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		line := s.Text()
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			if family, err = checkComment(rest, family, help, kind); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
			continue
		}
		name := metricName.FindString(line)
		if name == "" || name != family || kind[name] == "" {
			return nil, fmt.Errorf("%q: a sample of no family, or not with the others of its own", line)
		}
		if kind[name] == "counter" && !strings.HasSuffix(name, "_total") {
			return nil, fmt.Errorf("%q: a counter's name ends in _total", line)
		}
		labels, value, err := splitSample(line[len(name):])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if _, twice := series[name+labels]; twice {
			return nil, fmt.Errorf("%q: the series is there twice", line)
		}
		series[name+labels] = value
	}
	return series, nil
}

// checkComment takes a HELP or TYPE, and returns the family that it begins or goes on.
func checkComment(text, family string, help map[string]bool, kind map[string]string) (string, error) {
	words := strings.SplitN(text, " ", 3)
	if len(words) != 3 || words[2] == "" || metricName.FindString(words[1]) != words[1] {
		return "", fmt.Errorf("neither HELP nor TYPE")
	}
	name := words[1]
	switch {
	case words[0] == "HELP" && !help[name] && kind[name] == "":
		help[name] = true
		return name, nil
	case words[0] == "TYPE" && help[name] && name == family && kind[name] == "" && (words[2] == "counter" || words[2] == "gauge"):
		kind[name] = words[2]
		return name, nil
	}
	return "", fmt.Errorf("twice, or out of order")
}

// splitSample reads what follows a sample's name.
func splitSample(rest string) (labels string, value float64, err error) {
	if inner, ok := strings.CutPrefix(rest, "{"); ok {
		seen := map[string]bool{}
		for {
			m := labelPair.FindStringSubmatch(inner)
			if m == nil || seen[m[1]] || strings.HasPrefix(m[1], "__") {
				return "", 0, fmt.Errorf("labels")
			}
			seen[m[1]] = true
			inner = inner[len(m[0]):]
			if after, more := strings.CutPrefix(inner, ","); more {
				inner = after
				continue
			}
			after, end := strings.CutPrefix(inner, "}")
			if !end {
				return "", 0, fmt.Errorf("labels do not end")
			}
			labels, rest = rest[:len(rest)-len(after)], after
			break
		}
	}
	number, ok := strings.CutPrefix(rest, " ")
	if !ok || strings.ContainsAny(number, " \t") {
		return "", 0, fmt.Errorf("one number after one space")
	}
	value, err = strconv.ParseFloat(number, 64)
	return labels, value, err
}

// What Prometheus reads is its format, whatever routes, codes and names a host has met.
func TestMetricsAreWellFormed(t *testing.T) {
	h := testHost(t, &config.Host{})
	h.metrics.request("/v1/sessions/{session}", 200)
	h.metrics.request("/v1/sessions/{session}", 404)
	h.metrics.request("a\"b\\c\nd\xff\x1b", 500)
	h.metrics.refusal(api.CodeAccessDenied)
	h.metrics.refusal("odd \"code\"\n")
	var b bytes.Buffer
	require.NoError(t, h.writeMetrics(&b))
	series, err := checkExposition(b.Bytes())
	require.NoError(t, err, b.String())
	assert.Equal(t, 1.0, series[`pss_host_requests_total{route="/v1/sessions/{session}",code="404"}`])
	assert.Contains(t, series, "pss_host_requests_total{route=\"a\\\"b\\\\c\\nd\uFFFD\x1b\",code=\"500\"}")
	assert.GreaterOrEqual(t, len(series), 20)
}

// The parser of the test finds what is wrong.
func TestMetricsParserIsStrict(t *testing.T) {
	const head = "# HELP a_total x\n# TYPE a_total counter\n"
	for _, text := range []string{
		"", "a_total 1\n", head + "a_total 1", head + "a_total\n", head + "a_total  1\n", head + "a_total one\n", head + "a_total 1 2 3\n", head + "b 1\n", head + "a_total 1\na_total 2\n",
		head + head + "a_total 1\n", head + "a_total{} 1\n", head + "a_total{1=\"x\"} 1\n", head + "a_total{a=\"x} 1\n", head + "a_total{a=\"\\x\"} 1\n", head + "a_total{a=\"x\",a=\"y\"} 1\n",
		"# TYPE a_total counter\na_total 1\n", "# HELP a x\n# TYPE a counter\na 1\n", "# HELP a x\n# TYPE a thing\na 1\n", head + "a_total{a=\"x\"}1\n", head + "\na_total 1\n", "#HELP a x\n",
	} {
		_, err := checkExposition([]byte(text))
		assert.Error(t, err, "%q", text)
	}
	_, err := checkExposition([]byte(head + "a_total{a=\"x\"} 1\na_total{a=\"y\"} 2e3\n"))
	assert.NoError(t, err)
}
