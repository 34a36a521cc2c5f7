CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE articles (id int PRIMARY KEY, title text NOT NULL, body text NOT NULL);
INSERT INTO articles VALUES
  (1, 'Frost', 'Bring pots inside before the first frost. Cover the roots of roses with leaves.'),
  (2, 'Watering', 'Water in the morning, at the roots, and seldom but thoroughly. Wet leaves at night invite mildew.'),
  (3, 'Compost', 'Peelings, coffee and leaves rot within a year. Cooked food and bones attract rats, and stay out.'),
  (4, 'Slugs', 'Collect slugs at dusk. Hedgehogs eat them as well, where a heap of branches gives them a home.');
