CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric(8,2) NOT NULL, state text NOT NULL, note text);
INSERT INTO orders VALUES
  (1001, 'anna', 24.50, 'paid', 'gift'),
  (1002, 'bert', 8.00, 'open', NULL),
  (1003, 'cleo', 71.20, 'paid', NULL);
