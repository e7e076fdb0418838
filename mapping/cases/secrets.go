package cases

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"refbridge/config/pattern"
	"refbridge/mapping"
)

// secrets is what was replaced in a record, in the forms in which it is looked for in all that was kept. Everything is folded.
type secrets struct {
	texts     []secret // letters and digits alone: found anywhere, however the text around is divided
	short     []secret // letters and digits alone, too short for that: found between two ends of words
	names     []secret // words of names: found inside of other words, too
	words     []secret // short words of names and words of addresses: found as words
	towns     []secret // words, but not in a url: the systems of a trust are named after its town
	rumours   []secret // words that may be a name, by the look of a free text: found as words of codes that nobody published
	phrases   []string // texts of several words, as they were
	postcodes []string
}

// secret is a text and what it is.
type secret struct{ text, what string }

// kind says what a kept text is: how much of it can be about somebody.
type kind int

const (
	code      kind = iota
	listed         // a code of a published system
	concept        // a code of SNOMED CT, by its check digit
	address        // a url
	published      // a url of a known publisher: nobody chose its words
	title          // the name of a case
)

const (
	shortestText   = 6 // from how many signs on an identifier is looked for anywhere
	shortestWithin = 5 // from how many letters on a name is looked for inside of other words
)

// add takes a value that was replaced.
func (s *secrets) add(what, was string) {
	was = strings.TrimSpace(was)
	switch what {
	case "name":
		s.named(was)
	case "address", "town":
		s.located(what, was)
	case "birth date":
		s.born(was)
	case "telecom":
		s.reached(was)
	case "identifier", "id", "NHS number", "version":
		s.identified(what, was)
	default: // a single word may well be part of a url: what it belongs to decides
		if len(was) >= shortestText && strings.Contains(was, " ") {
			s.phrases = append(s.phrases, strings.ToLower(was))
		}
		s.told(was, what != "display")
	}
}

func (s *secrets) anywhere(what, text string) {
	if len(text) >= shortestText {
		s.texts = append(s.texts, secret{text, what})
	}
}

// identified collects an identifier. Of a short one only what is no word and no small number.
func (s *secrets) identified(what, was string) {
	text := compact(fold(was))
	digits := len(strings.Map(onlyDigits, text))
	least := 3
	if digits == len(text) || what == "id" {
		least = 4
	}
	switch {
	case what == "id" && (typeName(text) || slices.Contains(commonWords(), text)):
	case len(text) >= shortestText:
		s.anywhere(what, text)
	case len(text) >= least && digits > 0 && what != "version":
		s.short = append(s.short, secret{text, what})
	}
}

// reached collects a telephone number without what stands in front of the national one, or another address.
func (s *secrets) reached(was string) {
	text := compact(fold(was))
	if strings.Trim(text, "0123456789") == "" {
		text = strings.TrimPrefix(strings.TrimLeft(text, "0"), "44")
		text = strings.TrimLeft(text, "0")
	}
	s.anywhere("telecom", text)
}

// born collects the ways to write a day.
func (s *secrets) born(was string) {
	at, err := time.Parse(time.DateOnly, was[:min(len(was), len(time.DateOnly))])
	if err != nil {
		return
	}
	for _, layout := range []string{"20060102", "02012006", "01022006", "212006"} {
		s.anywhere("birth date", at.Format(layout))
	}
	for _, day := range []string{"2", "02", "2" + ordinal(at.Day())} {
		for _, month := range []string{"Jan", "January"} {
			for _, order := range []string{day + month + "2006", month + day + "2006", "2006" + month + day, day + month + "06", month + day + "06"} {
				s.anywhere("birth date", strings.ToLower(at.Format(order)))
			}
		}
	}
	for _, layout := range []string{"060102", "020106"} {
		s.short = append(s.short, secret{at.Format(layout), "birth date"})
	}
}

// ordinal gives what stands behind a day of a month.
func ordinal(day int) string {
	if day/10 != 1 && day%10 >= 1 && day%10 <= 3 {
		return []string{"st", "nd", "rd"}[day%10-1]
	}
	return "th"
}

// named collects the words of a person's name, in each way to write them without accents.
func (s *secrets) named(was string) {
	s.anywhere("name", compact(fold(was)))
	var words []string
	for _, text := range []string{fold(was), fold(umlauts(was))} {
		words = append(words, strings.FieldsFunc(text, notLetter)...)
		for _, part := range strings.Fields(text) {
			words = append(words, compact(part)) // o'lea
		}
	}
	slices.Sort(words)
	for _, word := range slices.Compact(words) {
		switch {
		case len(word) < 2 || slices.Contains(titles(), word) || slices.Contains(commonWords(), word):
		case len(word) >= shortestWithin:
			s.names = append(s.names, secret{word, "name"})
		default:
			s.words = append(s.words, secret{word, "name"})
		}
	}
}

// located collects the words and the postcode of an address.
func (s *secrets) located(what, was string) {
	text := fold(was)
	if strings.ContainsFunc(was, unicode.IsDigit) {
		s.anywhere("address", compact(text))
	}
	into := &s.words
	if what == "town" {
		into = &s.towns
	}
	for _, word := range strings.FieldsFunc(text, notLetter) {
		if len(word) >= 3 && !slices.Contains(streetWords(), word) && !slices.Contains(commonWords(), word) {
			*into = append(*into, secret{word, "address"})
		}
	}
	for _, code := range postcodeShape().FindAllString(was, -1) {
		s.postcodes = append(s.postcodes, compact(fold(code)))
	}
}

var (
	// afterTitle is who a free text calls Mr, Dr and so on.
	afterTitle = pattern.MustOnce(`\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Rev|Sir|MR|MRS|MISS|DR|PROF)\.? +((?:\p{Lu}[\p{L}'’\-]*\s*){1,4})`)
	// capitals are words one after the other that begin with a capital.
	capitals = pattern.MustOnce(`\p{Lu}[\p{Ll}'’\-]+(?: +\p{Lu}[\p{Ll}'’\-]+)+`)
)

// told collects the names in a text, as far as they look like names. What people read of a code is no free text: there Cardiology
// Clinic is not a name.
func (s *secrets) told(was string, free bool) {
	for _, m := range afterTitle().FindAllStringSubmatch(was, -1) {
		s.named(m[1])
	}
	if !free {
		return
	}
	for _, run := range capitals().FindAllString(was, -1) {
		for _, word := range strings.FieldsFunc(fold(run), notLetter) {
			if len(word) >= 3 && !slices.Contains(titles(), word) && !slices.Contains(commonWords(), word) && !typeName(word) {
				s.rumours = append(s.rumours, secret{word, "name"})
			}
		}
	}
}

// in tells what of the secrets a kept text holds, or of which personal shape it is; empty: nothing.
func (s *secrets) in(text string, k kind) string {
	spaced := fold(hump().ReplaceAllString(text, "$1 $2"))
	text = fold(text)
	t := searched{text: text, compact: compact(text), words: append(strings.FieldsFunc(text, notLetter), strings.FieldsFunc(spaced, notLetter)...),
		tokens: strings.FieldsFunc(text, func(r rune) bool { return notLetter(r) && onlyDigits(r) < 0 })}
	if k == title {
		t.words = slices.DeleteFunc(t.words, func(w string) bool { return len(w) == 2 && slices.Contains(smallWords(), w) })
	}
	what := s.figures(t, k)
	switch {
	case what != "":
		return what
	case k == published:
		return cmp.Or(s.signed(text), s.signed(spaced))
	}
	return s.spelled(t, k)
}

// signed looks for the words of a name in what stands behind the host of a published url. What publishers write there is no name.
func (s *secrets) signed(address string) string {
	if _, behind, ok := strings.Cut(address, "://"); ok {
		_, address, _ = strings.Cut(behind, "/")
	}
	for _, word := range strings.FieldsFunc(address, notLetter) {
		at := slices.IndexFunc(slices.Concat(s.names, s.words), func(one secret) bool { return one.text == word && one.what == "name" })
		if at >= 0 && !typeName(word) && !publishedWord(word) {
			return "name"
		}
	}
	return ""
}

// searched is a kept text as it is looked through.
type searched struct {
	text, compact string
	words, tokens []string
}

// figures looks for what is personal wherever it stands.
func (s *secrets) figures(t searched, k kind) string {
	switch {
	case k != concept && mapping.HoldsNHSNumber(t.text):
		return "NHS number"
	case mailShape().MatchString(t.text):
		return "mail address"
	case (k == address || k == published || k == title) && postcodeShape().MatchString(t.text),
		slices.ContainsFunc(s.postcodes, func(code string) bool { return strings.Contains(t.compact, code) }):
		return "postcode"
	}
	for _, one := range s.texts {
		if (k != published || len(strings.Map(onlyDigits, one.text)) >= 4) && strings.Contains(t.compact, one.text) {
			return one.what
		}
	}
	for _, one := range s.short {
		if k != published && joined(t.tokens, one.text) {
			return one.what
		}
	}
	return ""
}

// spelled looks for words.
func (s *secrets) spelled(t searched, k kind) string {
	if k != title && slices.ContainsFunc(s.phrases, func(phrase string) bool { return strings.Contains(t.text, phrase) }) {
		return "text"
	}
	for _, one := range s.names {
		if strings.Contains(t.compact, one.text) {
			return one.what
		}
	}
	words := s.words
	switch k {
	case code:
		words = slices.Concat(words, s.towns, s.rumours)
	case listed, concept:
		words = slices.Concat(words, s.towns)
	}
	for _, one := range words {
		if slices.Contains(t.words, one.text) && (len(one.text) > 2 || k != address) {
			return one.what
		}
	}
	return ""
}

// number tells what a kept number is elsewhere in the record; empty: nothing.
func (s *secrets) number(text string) string {
	digits := strings.TrimLeft(strings.Map(onlyDigits, text), "0")
	if len(digits) < 4 {
		return ""
	}
	for _, one := range slices.Concat(s.texts, s.short) {
		if strings.TrimLeft(one.text, "0") == digits {
			return one.what
		}
	}
	return ""
}

// joined tells whether some words, one after the other, are a text.
func joined(words []string, text string) bool {
	for i := range words {
		all := ""
		for j := i; j < len(words) && len(all) < len(text); j++ {
			all += words[j]
		}
		if all == text {
			return true
		}
	}
	return false
}

// compact leaves letters and digits alone.
func compact(folded string) string {
	return strings.Map(func(r rune) rune {
		if notLetter(r) && onlyDigits(r) < 0 {
			return -1
		}
		return r
	}, folded)
}

func notLetter(r rune) bool { return r < 'a' || r > 'z' }

// umlauts writes them as a machine without them does.
func umlauts(text string) string {
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ø", "oe", "å", "aa", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue", "Ø", "Oe", "Å", "Aa").Replace(text)
}

// fold gives a text in lower case, Latin letters without what stands above, below and through them.
func fold(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r < unicode.MaxASCII {
			b.WriteRune(r)
			continue
		}
		if !unicode.Is(unicode.Mn, r) {
			b.WriteString(plain(r))
		}
	}
	return b.String()
}

func plain(r rune) string {
	switch r {
	case 'ß':
		return "ss"
	case 'æ':
		return "ae"
	case 'œ':
		return "oe"
	case 'þ':
		return "th"
	}
	for _, letters := range strings.Fields(`aàáâãäåāăą cçćĉċč dďđð eèéêëēĕėęě gĝğġģ hĥħ iìíîïĩīĭįı jĵ kķ lĺļľŀł nñńņňŋ oòóôõöøōŏő
		rŕŗř sśŝşšș tţťŧț uùúûüũūŭůűų wŵẁẃẅ yýÿŷỳ zźżž`) {
		if strings.ContainsRune(letters, r) {
			return letters[:1]
		}
	}
	return string(r)
}

func titles() []string { return []string{"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir"} }

// commonWords stand in names and displays of people, and in the systems, urls and ids of everybody.
func commonWords() []string {
	return strings.Fields(`nhs fhir patient practitioner person user consultant doctor nurse and the for service referral request
		de la di da du st van der den von bin del las los`)
}

// streetWords stand in addresses of everybody.
func streetWords() []string {
	return strings.Fields("street road lane avenue close court drive house flat way place the and")
}

// smallWords are names of two letters as well as words of any title.
func smallWords() []string {
	return strings.Fields("an as at be by do go he if in is it me my no of on or so to up us we")
}
