CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL);
CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, sku text NOT NULL, price numeric NOT NULL);
INSERT INTO orders VALUES (1, 'anna', 12.50), (2, 'bert', 4.00);
INSERT INTO items VALUES (1, 1, 'pot', 8.50), (2, 1, 'seeds', 4.00), (3, 2, 'seeds', 4.00);
