package builtin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/freshet/freshet/accel/builtin"
)

// questions have answers that share no word with them but those which every text has.
var questions = [][2]string{
	{"How do I get my money back?", "Refunds are paid to the card that was charged."},
	{"The car would not start this morning.", "Jump leads revive a vehicle whose battery is flat."},
	{"What should I cook for dinner?", "Recipes: pasta with tomatoes, roast chicken, lentil soup."},
	{"My laptop is too slow.", "Close programs to free memory and make the computer faster."},
	{"Who heals sick animals?", "A veterinarian treats dogs, cats and horses."},
	{"Is it going to rain tomorrow?", "Weather forecast: showers on Monday, sunny spells later."},
	{"I forgot my password.", "Reset the credentials of your account to log in again."},
	{"Where can I board a plane?", "Airport terminals open two hours before a flight departs."},
	{"How tall are mountains?", "Everest is the highest peak, at 8849 metres."},
	{"Our firm was fined by the court.", "The judge ordered the company to pay a penalty."},
	{"The infant is crying.", "Babies weep when they are hungry or tired."},
	{"When do physicians see patients?", "The doctor's surgery is open on weekdays."},
	{"Delete every file on the disk.", "Formatting erases all data of a drive."},
	{"Which ship crossed the ocean?", "The vessel sailed over the Atlantic in nine days."},
	{"He plays the violin.", "She is a musician in an orchestra."},
	{"Is the shop closed at Christmas?", "Stores have shorter opening hours over the holidays."},
	{"How are employees paid?", "Staff receive their salary on the last day of each month."},
	{"The house burned down.", "Firefighters could not save the building."},
	{"What do astronomers look at?", "Telescopes show stars, planets and galaxies."},
	{"Secure the network against intruders.", "A firewall blocks hackers and malware."},
}

func TestAnswersAreFoundByMeaning(t *testing.T) {
	e := model(t, 0)
	var asked, said []string
	for _, pair := range questions {
		asked, said = append(asked, pair[0]), append(said, pair[1])
	}
	q, a := embed(t, e, asked...), embed(t, e, said...)
	first := 0
	for i := range q {
		best := 0
		for j := range a {
			if cosine(q[i], a[j]) > cosine(q[i], a[best]) {
				best = j
			}
		}
		if best == i {
			first++
		} else {
			t.Logf("%q finds %q (%.2f), not %q (%.2f)", asked[i], said[best], cosine(q[i], a[best]), said[i], cosine(q[i], a[i]))
		}
	}
	if first < len(questions)*9/10 {
		t.Errorf("%d of %d questions find their answer first", first, len(questions))
	}
	t.Logf("%d of %d questions find their answer first", first, len(questions))
}

func TestTextsOfWhichNothingIsKnownAreStrangers(t *testing.T) {
	v := embed(t, model(t, 0), "สวัสดีชาวโลก", "ᚠᚢᚦᚨᚱᚲ", "", "🙂🙃")
	for i := range v {
		for j := range i {
			if near := cosine(v[i], v[j]); near > 0.3 || near < -0.3 {
				t.Errorf("texts %d and %d are %.2f near", j, i, near)
			}
		}
	}
}

// A step asks for its vectors again when they would be others: the revision is that of the file.
func TestTheRevisionIsThatOfTheFiles(t *testing.T) {
	h := sha256.New()
	for _, name := range []string{"vocab.txt", "vectors.bin"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(b)
	}
	if sum := hex.EncodeToString(h.Sum(nil))[:8]; !strings.HasSuffix(builtin.Revision, "-"+sum) {
		t.Errorf("the files have the sum %s, the revision is %s: write it", sum, builtin.Revision)
	}
}
